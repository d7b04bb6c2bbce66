## finetune.mk: captions, and answers where there are questions, with the vision tower free.
##
##   make -f pipelines/finetune.mk DATA=dir MODELS=dir OUT=dir [QUESTIONS=1]
##
## needs   what stage2.mk needs; STAGE2 (default OUT/stage2/final, made if it is not there); with QUESTIONS=1
##         DATA/questions_train.json and DATA/annotations_train.json
## makes   OUT/caption/final
include $(dir $(lastword $(MAKEFILE_LIST)))stage2.mk

QUESTIONS ?=
# How often each caption counts beside the questions, 1 to 10: where a picture has five questions, 5 makes halves of both.
CAPTIONS  ?= 1
PROMPT    ?= Question: {} Short answer:

STAGE2    ?= $(OUT)/stage2/final
made       = $(OUT)/caption/final

$(SETS)/answers.done: $(DATA)/questions_train.json $(DATA)/annotations_train.json $(BERT) $(OPT)/vocab.json
	@mkdir -p $(@D)
	$(call tool,bt-preprocess) --images $(DATA)/images --annotations $(DATA)/annotations_train.json $< | \
	  $(call tool,bt-tokenize) --prompt '$(PROMPT)' --answer-field answers $(TOKENIZERS) -o $(SETS)/answers.lmdb
	@touch $@

finetune_sets = captions $(if $(QUESTIONS),answers)
# Samples are drawn evenly from all records, so a set that is named more than once counts more.
finetune_data = $(foreach i,$(wordlist 1,$(if $(QUESTIONS),$(CAPTIONS),1),1 2 3 4 5 6 7 8 9 10),captions) $(if $(QUESTIONS),answers)

$(OUT)/caption/final: $(finetune_sets:%=$(SETS)/%.done) $(MODEL) $(VISION) $(LM) $(STAGE2) $(call recipe,caption)
	$(TRAIN) caption $(finetune_data:%=--data $(SETS)/%.lmdb) --model $(MODEL) --weights $(VISION) --weights $(LM) \
	  --weights $(STAGE2) $(call with_recipe,caption) $(SET) --output $(@D)
