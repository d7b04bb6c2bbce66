# The demonstration: the whole method on pictures made here, with and without the P-Former, and what came of it.
# `make demo` runs it; every step stands under its name when it is done, so a killed run goes on where it was.
# Source: demo.md 0, 7, 8.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SECONDARY:
# One step after the other: each uses every core.
.NOTPARALLEL:

BIN       ?= build/bin
DEMO      ?= demo
TOP       := $(dir $(lastword $(MAKEFILE_LIST)))../..
RECIPES   ?= $(TOP)/pipelines/recipes/emoji
PICTURES  ?= --train 8000 --val 300 --test 500 --documents 12000
D         := $(DEMO)

# One pipeline with the demonstration's places. Text is padded to 24 tokens, as many as there are queries (models.md K4).
pipeline = $(MAKE) --no-print-directory -f $(TOP)/pipelines/$(1).mk BIN=$(BIN) DATA=$(D)/data MODELS=$(D)/models SETS=$(D)/sets \
           RECIPES=$(RECIPES) MODEL=$(TOP)/pipelines/models/emoji.json MAX_LEN=24 SIDE=96 BERT_SIZE=1000 OPT_SIZE=1200 GROUP=image
blip_t   = OUT=$(D)/blip-t
blip_2   = OUT=$(D)/blip-2 ALIGN=0
# Prompts of equal length are decoded together, so many records at a time make fuller batches.
batches  = CAPTION_OPTIONS='--batch 64' ANSWER_OPTIONS='--batch 256'
say      = @printf '\n== %s\n' "$(1)" >&2

.PHONY: all
all: $(D)/report.txt
	@cat $<

$(D)/data:
	$(call say,Pictures and text from this system's emoji font and dictionaries)
	@mkdir -p $(D)
	$(BIN)/emoji-scenes $(PICTURES) -o $@

$(D)/models/vision/final $(D)/models/lm/final: $(D)/towers.done
$(D)/towers.done: $(D)/data
	$(call say,A vision tower that names what it sees and a language model that reads)
	@$(call pipeline,towers)
	@touch $@

# What the language model can answer from text alone: the ceiling of what it can answer about pictures.
$(D)/text-answers.json: $(D)/towers.done
	$(call say,Questions about sentences answered by the language model alone)
	$(BIN)/bt-preprocess --text-only $(D)/data/text_qa_test.jsonl | \
	  $(BIN)/bt-generate text --prompt $$'{text}\nQuestion: {} Short answer:' --greedy --max-new 8 --batch 64 \
	    --model $(TOP)/pipelines/models/emoji.json --tokenizer $(D)/models/opt --weights $(D)/models/lm/final | \
	  $(BIN)/bt-score vqa --json > $@

$(D)/blip-t/stage0/final: $(D)/towers.done
	$(call say,Stage 0: the P-Former learns which prompts make the language model say a sentence)
	@$(call pipeline,stage0) $(blip_t)

# Both models differ in nothing but the P-Former: same data, order, steps and seeds.
$(D)/%/caption/final: $(D)/blip-t/stage0/final
	$(call say,$*: stage 1 and stage 2 and fine-tuning)
	@$(call pipeline,finetune) QUESTIONS=1 CAPTIONS=5 $($(subst -,_,$*))

$(D)/%/eval.done: $(D)/%/caption/final
	$(call say,$*: captions and answers for pictures never seen)
	@$(call pipeline,eval) $(batches) $($(subst -,_,$*))
	@touch $@

# Which of 300 captions belongs to a picture, and which of 300 pictures to a caption, by stage 1 alone.
$(D)/sets/pairs.bt: $(D)/blip-t/eval.done
	@$(BIN)/bt-cat --head 300 $(D)/sets/captions_test.bt | $(BIN)/bt-cat --to=json | jq -c 'if .captions then .captions |= .[:1] else . end' | \
	  $(BIN)/bt-cat --from=json --force -o $@

$(D)/%/retrieval.json: $(D)/%/caption/final $(D)/sets/pairs.bt
	$(call say,$*: pictures found by caption and captions by picture)
	@$(BIN)/bt-generate retrieval --top 0 --max-text 24 --batch 32 --tokenizer $(D)/models/bert --weights $(D)/models/vision/final \
	  --weights $(D)/$*/stage1/final -i $(D)/sets/pairs.bt -o $(D)/$*/retrieval.safetensors --force
	@$(BIN)/bt-score retrieval --json $(D)/$*/retrieval.safetensors > $@.tmp
	@mv $@.tmp $@

# The same with a Q-Former and a vision tower that have learnt nothing.
$(D)/untrained/eval.done: $(D)/towers.done $(D)/blip-t/caption/final
	$(call say,The same with an untrained vision tower and Q-Former)
	@$(BIN)/bt-train caption --data $(D)/sets/captions.lmdb --model $(TOP)/pipelines/models/emoji.json --weights $(D)/models/lm/final \
	  --recipe $(RECIPES)/caption.json --set lr=0 --set lr_min=0 --max-steps 1 --output $(D)/untrained/caption
	@$(call pipeline,eval) $(batches) OUT=$(D)/untrained VISION=$(D)/untrained/caption/final
	@touch $@

$(D)/report.txt: $(D)/blip-t/eval.done $(D)/blip-2/eval.done $(D)/untrained/eval.done $(D)/text-answers.json \
                 $(D)/blip-t/retrieval.json $(D)/blip-2/retrieval.json
	@bash $(TOP)/data/emoji/report.sh $(BIN) $(D) > $@
