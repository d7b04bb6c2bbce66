## stage0.mk: P-Former on sentences, through the frozen language model.
##
##   make -f pipelines/stage0.mk DATA=dir MODELS=dir OUT=dir
##
## needs   DATA/sentences_train.txt, MODELS/{model.json,bert/vocab.txt,opt/}, the language model's weights (LM)
## makes   OUT/stage0/final
include $(dir $(lastword $(MAKEFILE_LIST)))common.mk

made = $(OUT)/stage0/final

$(SETS)/sentences.done: $(DATA)/sentences_train.txt $(BERT) $(OPT)/vocab.json
	@mkdir -p $(@D)
	$(call tool,bt-preprocess) $< | $(call tool,bt-tokenize) --clean caption $(TOKENIZERS) -o $(SETS)/sentences.lmdb
	@touch $@

$(OUT)/stage0/final: $(SETS)/sentences.done $(MODEL) $(LM) $(call recipe,stage0)
	$(TRAIN) stage0 --data $(SETS)/sentences.lmdb --model $(MODEL) --weights $(LM) $(call with_recipe,stage0) $(SET) --output $(@D)
