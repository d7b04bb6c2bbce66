## stage2.mk: Q-Former through the frozen language model, and alignment with the P-Former.
##
##   make -f pipelines/stage2.mk DATA=dir MODELS=dir OUT=dir [ALIGN=0]
##
## needs   what stage1.mk needs, the language model's weights (LM); STAGE1 (default OUT/stage1/final, made if it is not there)
## makes   OUT/stage2/final
include $(dir $(lastword $(MAKEFILE_LIST)))stage1.mk

STAGE1 ?= $(OUT)/stage1/final
made    = $(OUT)/stage2/final

$(OUT)/stage2/final: $(SETS)/captions.done $(MODEL) $(VISION) $(LM) $(pformer) $(STAGE1) $(call recipe,stage2)
	$(TRAIN) stage2 --data $(SETS)/captions.lmdb --model $(MODEL) --weights $(VISION) --weights $(LM) $(addprefix --weights ,$(pformer)) \
	  --weights $(STAGE1) $(call with_recipe,stage2) $(baseline) $(SET) --output $(@D)
