## eval.mk: captions and answers for pictures the model has not seen, and their scores.
##
##   make -f pipelines/eval.mk DATA=dir MODELS=dir OUT=dir [SPLIT=test] [WEIGHTS=dir]
##
## needs   DATA/captions_SPLIT.json, DATA/images/, DATA/{questions,annotations}_SPLIT.json, a trained model (WEIGHTS, default
##         OUT/caption/final) with its vision tower (VISION) and language model (LM)
## makes   OUT/eval/{captions,answers}.bt and OUT/eval/{captions,answers}.json (the scores); with RETRIEVAL=1 also
##         OUT/eval/retrieval.json, from stage 1 (STAGE1, default OUT/stage1/final)
include $(dir $(lastword $(MAKEFILE_LIST)))common.mk

SPLIT   ?= test
WEIGHTS ?= $(OUT)/caption/final
EVAL    ?= $(OUT)/eval
model    = --model $(MODEL) --tokenizer $(OPT) --weights $(VISION) --weights $(LM) --weights $(WEIGHTS)

STAGE1  ?= $(OUT)/stage1/final
made     = $(EVAL)/captions.json $(EVAL)/answers.json $(if $(filter 1,$(RETRIEVAL)),$(EVAL)/retrieval.json)

$(SETS)/captions_$(SPLIT).bt: $(DATA)/captions_$(SPLIT).json
	@mkdir -p $(@D)
	$(call tool,bt-preprocess) --images $(DATA)/images --group image $< -o $@ --force

$(SETS)/questions_$(SPLIT).bt: $(DATA)/questions_$(SPLIT).json $(DATA)/annotations_$(SPLIT).json
	@mkdir -p $(@D)
	$(call tool,bt-preprocess) --images $(DATA)/images --annotations $(DATA)/annotations_$(SPLIT).json $< -o $@ --force

$(EVAL)/captions.bt: $(SETS)/captions_$(SPLIT).bt $(MODEL) $(VISION) $(LM) $(WEIGHTS)
	@mkdir -p $(@D)
	$(call tool,bt-generate) caption $(model) $(CAPTION_OPTIONS) -i $< -o $@ --force

$(EVAL)/answers.bt: $(SETS)/questions_$(SPLIT).bt $(MODEL) $(VISION) $(LM) $(WEIGHTS)
	@mkdir -p $(@D)
	$(call tool,bt-generate) vqa --preset vqav2 $(model) $(ANSWER_OPTIONS) -i $< -o $@ --force

$(EVAL)/captions.json: $(EVAL)/captions.bt
	$(call tool,bt-score) caption --json $< > $@.tmp
	@mv $@.tmp $@

$(EVAL)/answers.json: $(EVAL)/answers.bt
	$(call tool,bt-score) vqa --json $< > $@.tmp
	@mv $@.tmp $@

$(EVAL)/retrieval.safetensors: $(SETS)/captions_$(SPLIT).bt $(VISION) $(STAGE1)
	@mkdir -p $(@D)
	$(call tool,bt-generate) retrieval --tokenizer $(BERT) --weights $(VISION) --weights $(STAGE1) $(RETRIEVAL_OPTIONS) -i $< -o $@ --force

$(EVAL)/retrieval.json: $(EVAL)/retrieval.safetensors
	$(call tool,bt-score) retrieval --json $< > $@.tmp
	@mv $@.tmp $@
