## towers.mk: a small vision tower, language model and vocabularies of your own, where published ones will not do
## (another language, a demonstration). Their results stand where stage0.mk, stage1.mk and stage2.mk look for weights.
##
##   make -f pipelines/towers.mk DATA=dir MODELS=dir
##
## needs   DATA/captions_train.json, DATA/images/, DATA/words.txt (word<TAB>label), DATA/documents_train.jsonl (text),
##         MODELS/model.json
## makes   MODELS/bert/vocab.txt, MODELS/opt/, MODELS/vision/final, MODELS/lm/final
include $(dir $(lastword $(MAKEFILE_LIST)))common.mk

BERT_SIZE ?= 2000
OPT_SIZE  ?= 1200

made       = $(MODELS)/bert/vocab.txt $(MODELS)/vision/final $(MODELS)/lm/final

$(MODELS)/text.bt: $(DATA)/documents_train.jsonl $(DATA)/captions_train.json
	@mkdir -p $(@D)
	$(call tool,bt-preprocess) --text-only $^ -o $@ --force

$(MODELS)/bert/vocab.txt: $(MODELS)/text.bt
	@mkdir -p $(@D)
	$(call tool,bt-tokenize) --train wordpiece --vocab-size $(BERT_SIZE) -i $< -o $@ --force

$(MODELS)/opt/vocab.json: $(MODELS)/text.bt
	@mkdir -p $(@D)
	$(call tool,bt-tokenize) --train bpe --vocab-size $(OPT_SIZE) -i $< -o $(@D) --force

$(SETS)/pictures.done: $(DATA)/captions_train.json
	@mkdir -p $(@D)
	$(call tool,bt-preprocess) --images $(DATA)/images --group image $(resize) $< -o $(SETS)/pictures.lmdb
	@touch $@

$(SETS)/documents.done: $(DATA)/documents_train.jsonl $(MODELS)/opt/vocab.json
	@mkdir -p $(@D)
	$(call tool,bt-preprocess) --text-only $< | $(call tool,bt-tokenize) --clean none --max-len 4096 --newline yes \
	  --tokenizer opt=$(OPT) -o $(SETS)/documents.lmdb
	@touch $@

$(MODELS)/vision/final: $(SETS)/pictures.done $(DATA)/words.txt $(MODEL) $(call recipe,vision)
	$(TRAIN) vision --data $(SETS)/pictures.lmdb --labels $(DATA)/words.txt --model $(MODEL) $(call with_recipe,vision) $(SET) \
	  --output $(@D)

$(MODELS)/lm/final: $(SETS)/documents.done $(MODEL) $(call recipe,lm)
	$(TRAIN) lm --data $(SETS)/documents.lmdb --model $(MODEL) $(call with_recipe,lm) $(SET) --output $(@D)
