/* Two small vocabularies, written into the scratch folder. */
#ifndef BT_TEST_MINI_H
#define BT_TEST_MINI_H

#include "libcommon/base/mem.h"
#include "tests/base/scratch.h"
#include "tests/test.h"

static const char bert_mini[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ncat\ndog\nvote\nrush\n##ers\n!\nto\nthe\n##s\nis\nnot\ndo\nhe\nrun\n.\n'\nt\n"
    "don\n\xE2\x80\x93\nepoch\nafter\ncretaceous\npaleogene\n##dog\n\xE2\x99\xA5\nn\nit\n";

/* OPT in small: four marks, the 256 bytes in order, then the results of these merges in order. */
static inline void write_opt_mini(void)
{
    static const char *const results[] = { "\xC4\xA0" "d", "\xC4\xA0" "do", "\xC4\xA0" "dog", "\xC4\xA0" "o",
                                           "\xC4\xA0" "of", "##", "\xC4\xA0" "a", "do", "dog" };
    struct bt_buf vocab = { 0 };
    int other = 256, id = 4;

    CHECK(bt_buf_printf(&vocab, NULL, "{\"<s>\":0,\"<pad>\":1,\"</s>\":2,\"<unk>\":3") == BT_OK);
    for (int b = 0; b < 256; b++) {
        bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;

        CHECK(bt_buf_printf(&vocab, NULL, ",\"\\u%04x\":%d", printable ? b : other, id++) == BT_OK);
        other += !printable;
    }
    for (int i = 0; i < 9; i++)
        CHECK(bt_buf_printf(&vocab, NULL, ",\"%s\":%d", results[i], id++) == BT_OK);
    CHECK(bt_buf_add(&vocab, "}\n", 2, NULL) == BT_OK);
    bt_make_dirs(scratch("opt"), NULL);
    scratch_write("opt/vocab.json", vocab.data, vocab.size);
    scratch_text("opt/merges.txt", "#version: 0.2\n\xC4\xA0 d\n\xC4\xA0" "d o\n\xC4\xA0" "do g\n\xC4\xA0 o\n\xC4\xA0"
                                   "o f\n# #\n\xC4\xA0 a\nd o\ndo g\n");
    bt_buf_free(&vocab);
}

#endif
