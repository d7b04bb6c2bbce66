## stage1.mk: Q-Former on pictures and captions: contrast, matching, generation, and alignment with the P-Former.
##
##   make -f pipelines/stage1.mk DATA=dir MODELS=dir OUT=dir [ALIGN=0]
##
## needs   DATA/captions_train.json, DATA/images/, MODELS/{model.json,bert/vocab.txt,opt/}, the vision tower's weights
##         (VISION), OUT/stage0/final (stage0.mk makes it; the baseline needs none)
## makes   OUT/stage1/final
include $(dir $(lastword $(MAKEFILE_LIST)))common.mk

GROUP  ?= caption
STAGE0 ?= $(OUT)/stage0/final
pformer = $(if $(filter 0,$(ALIGN)),,$(STAGE0))

made    = $(OUT)/stage1/final

$(SETS)/captions.done: $(DATA)/captions_train.json $(BERT) $(OPT)/vocab.json
	@mkdir -p $(@D)
	$(call tool,bt-preprocess) --images $(DATA)/images --group $(GROUP) $(resize) $< | $(call tool,bt-tokenize) $(TOKENIZERS) \
	  -o $(SETS)/captions.lmdb
	@touch $@

$(OUT)/stage1/final: $(SETS)/captions.done $(MODEL) $(VISION) $(pformer) $(call recipe,stage1)
	$(TRAIN) stage1 --data $(SETS)/captions.lmdb --model $(MODEL) --weights $(VISION) $(addprefix --weights ,$(pformer)) \
	  $(call with_recipe,stage1) $(baseline) $(SET) --output $(@D)
