# What every pipeline shares. A pipeline is commands with file dependencies and nothing more: a name that exists is a complete
# thing (a set of shards has its NAME.done beside it), so nothing finished runs twice, and an interrupted step goes on where it
# stopped. See bt-pipeline(7).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

# Where the tools are (default: on PATH), and the data, the models and the results.
BIN     ?=
DATA    ?= data
MODELS  ?= models
OUT     ?= out
SETS    ?= $(OUT)/sets
RECIPES ?= $(dir $(lastword $(MAKEFILE_LIST)))recipes/none
# 1: BLIP-T, aligned with the P-Former. 0: the BLIP-2 baseline.
ALIGN   ?= 1
# More options for every bt-train, for example SET='--set batch=64 --threads 8'.
SET     ?=

tool = $(if $(BIN),$(BIN)/)$(1)
TRAIN       = $(call tool,bt-train)
BERT        ?= $(MODELS)/bert/vocab.txt
OPT         ?= $(MODELS)/opt
MODEL       ?= $(MODELS)/model.json
VISION      ?= $(MODELS)/vision/final
LM          ?= $(MODELS)/lm/final
TOKENIZERS  = --tokenizer bert=$(BERT) --tokenizer opt=$(OPT) --max-len $(MAX_LEN)
MAX_LEN     ?= 32
# Where no picture is cropped at random, storing pixels of the model's own size saves decoding them anew: SIDE=224, say.
SIDE        ?=
resize      = $(if $(SIDE),--resize $(SIDE))
baseline    = $(if $(filter 0,$(ALIGN)),--set align_weight=0)
# A recipe that the user brings beside the published ones.
recipe      = $(wildcard $(RECIPES)/$(1).json)
with_recipe = $(if $(call recipe,$(1)),--recipe $(call recipe,$(1)))

# `made` is what a pipeline makes. One that includes another sets its own, and asks of the other only what is missing.
.PHONY: all help
.DEFAULT_GOAL := all
.SECONDEXPANSION:
all: $$(made)

help:
	@sed -n 's/^## \{0,1\}//p' $(firstword $(MAKEFILE_LIST))
	@echo "variables: BIN DATA MODELS OUT SETS RECIPES ALIGN=1|0 SET MODEL VISION LM BERT OPT MAX_LEN SIDE"
