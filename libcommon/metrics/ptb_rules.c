#include "libcommon/metrics/ptb_rules.h"

#include <stddef.h>

/* Letters and digits of the Basic Multilingual Plane that Unicode 6.3 does not have. */
#define LETTERS_SINCE                                                                                        \
    " 037F 0528-052F 0560 0588 05EF 0860-086A 0870-0887 0889-088E 08A1 08AD-08C9 0978 0980 09FC 0AF9 0C34"   \
    " 0C5A 0C5D 0C80 0CDD 0D04 0D54-0D56 0D5F 0E86 0E89 0E8C 0E8E-0E93 0E98 0EA0 0EA8 0EA9 0EAC 13F5"        \
    " 13F8-13FD 16F1-16F8 170D 171F 1878 191D 191E 1B4C 1C80-1C88 1C90-1CBA 1CBD-1CBF 1CFA 2C2F 2C5F 312E"   \
    " 312F 31BB-31BF 4DB6-4DBF 9FCD-9FFF A698-A69D A78F A794-A79F A7AB-A7CA A7D0-A7D9 A7F2-A7F7 A8FD A8FE"   \
    " A9E0-A9E4 A9E6-A9EF A9FA-A9FE AA7E AA7F AB30-AB5A AB5C-AB69 AB70-ABBF"
#define DIGITS_SINCE " 0DE6-0DEF A9F0-A9F9"

#define NOT_ADDRESS "0000-FFFF ! 0020 0009 000A 000C 000D 0022 003C 003E 0028 0029 007C"

static const struct bt_ptb_name sets[] = {
    { "any", "0000-FFFF", false },
    { "a", "0041-005A 0061-007A", false },
    { "notN", "0041-004D 004F-005A 0061-006D 006F-007A", false },
    { "notA", "0000-FFFF ! 0041-005A 0061-007A", false },
    { "U", "0041-005A", false },
    { "9", "0030-0039", false },
    { "an", "0030-0039 0041-005A 0061-007A", false },
    { "notAn", "0000-FFFF ! 0030-0039 0041-005A 0061-007A", false },
    { "anDollar", "0030-0039 0041-005A 0061-007A 0024", false },
    { "l", "%L 1885 1886 ! 19B0-19C0 19C8 19C9 1CF2 1CF3" LETTERS_SINCE, false },
    { "d", "%Nd !" DIGITS_SINCE, false },
    { "capital", "%Lu 2160-216F 24B6-24CF ! 13A0-13F4" LETTERS_SINCE, false },
    { "Lmore",
      "00AD 0237-024F 02C2-02C5 02D2-02DF 02E5-02FF 0300-037D 0384 0385 03CF 03F6 03FC-03FF 0483-0487 04CF "
      "04F6-04FF 0510-0525 055A-055F 0591-05BD 05BF 05C1 05C2 05C4 05C5 05C7 0615-061A 063B-063F 064B-065E "
      "0670 06D6-06EF 06FA-06FF 070F 0711 0730-074F 0750-077F 07A6-07B1 07CA-07F5 07FA 0900-0903 093C "
      "093E-094E 0951-0955 0962 0963 0981-0983 09BC-09C4 09C7 09C8 09CB-09CD 09D7 09E2 09E3 0A01-0A03 0A3C "
      "0A3E-0A4F 0A81-0A83 0ABC-0ACF 0B82 0BBE-0BC2 0BC6-0BC8 0BCA-0BCD 0C01-0C03 0C3E-0C56 0D3E-0D44 "
      "0D46-0D48 0E30-0E3A 0E47-0E4E 0EB1-0EBC 0EC8-0ECD",
      false },
    { "B", "0020 0009 00A0 2000-200A 3000", false },
    { "newline", "000A 000D 000B 000C 0085 2028 2029", false },
    { "cr", "000D", false },
    { "lf", "000A", false },
    { "q", "0027 0092 2019", false },
    { "q2", "0027 0092 2019 0060 0091 2018 201B", false },
    { "H", "002D 005F 058A 2010 2011", false },
    { "I", "002C 003B 003A 3001", false },
    { "sp", "0020", false },
    { "blank", "0020 00A0", false },
    { "dashOrBlank", "002D 0020 00A0", false },
    { "shy", "00AD", false },
    { "dq", "0022", false },
    { "notGt", "0000-FFFF ! 003E 000D 000A", false },
    { "notSq", "0000-FFFF ! 0027", false },
    { "notDq", "0000-FFFF ! 0022", false },
    { "dash", "0096 0097 2013-2015", false },
    /* C1 to C5 of the addresses; E: what one may end in */
    { "C1", NOT_ADDRESS " 007B 007D", false },
    { "C1E", NOT_ADDRESS " 007B 007D 002E 0021 003F 002C 002D", false },
    { "C2", NOT_ADDRESS " 007B 007D 002E 0021 003F 002C", false },
    { "C2E", NOT_ADDRESS " 007B 007D 002E 0021 003F 002C 002D", false },
    { "C3", NOT_ADDRESS " 007B 007D 002E 0021 003F 0060 0027 0024 002C-005F", false },
    { "C4", NOT_ADDRESS, false },
    { "C1M", NOT_ADDRESS " 007B 007D 00A0", false },
    { "C5", NOT_ADDRESS " 007B 007D 002E 00A0", false },
    { "numberMark", "002E 003A 002C 00AD 066B 066C", false },
    { "raisedSign", "207A 207B 208A 208B", false },
    { "superscript", "00B2 00B3 00B9 2070 2074-2079", false },
    { "subscript", "2080-2089", false },
    { "over", "2044", false },
    { "vulgar", "00BC-00BE 2153-215E", false },
    { "money", "00A2-00A5 0080 20A0 20A4 20AC 060B 0E3F FFE0 FFE1 FFE5 FFE6", false },
    { "del", "007F", false },
    { "ellipsis", "0085 2026", false },
    { "nose", "002D 006F 002A 0027", false },
    { "mouth", "0028 0029 0044 0050 0064 0070 004F 005C 007B 0040 005B 005D 007C", false },
    { "E", "002D 005E 0078 003D 007E 003C 003E 0027", false },
    { "G", "005E 0078 003D 007E 003C 003E 0027", false },
    { "oddEye", "005E 0078 003D 007E 003C 003E", false },
    { "gOrTick", "005E 0078 003D 007E 003C 003E 0027 0060", false },
    { "bracket", "007B 007D 005B 005D 0028 0029", false },
    { "stop", "002E 00A1 00BF 037E 0589 061F 06D4 0700-0702 07FA 3002", false },
    { "notBlank", "0000-FFFF ! 0020 0009 000A 000D 00A0", false },
    { "quote", "0060 2018-201F 2039 203A 00AB 00BB 0091-0094", false },
    { "symbol",
      "002B 0025 0026 007E 005E 005C 007C 00A6-00A9 00AC 00AE 00AF 00B0-00BA 00D7 00F7 0387 2016 2017 "
      "2020-2023 2030-2038 203B 203E-2042 2044 207A-207F 208A-208E 2100-214F 2190-2BFF 3012 30FB FF01-FF0F "
      "FF1A-FF20 FF3B-FF40 FF5B-FF65 05BE 05C0 05C3 05C6 05F3 05F4 0600-0603 0606-060A 060C 0614 061B 061E "
      "066A 066D 0703-070D 07F6-07F8 0964 0965 0E4F 1FBD",
      false },
    { "invisible", "0000 200B 200E 200F FEFF", false },
    { NULL, NULL, false }
};

static const struct bt_ptb_name lists[] = {
    { "entityName", "MD mdash ndash", false },
    { "otherEntity", "HT TL UR LR QC QL QR odq cdq", false },
    { "quoted", "-RRB- -LRB- -RCB- -LCB- -RSB- -LSB- C.D.s pro- anti-", false },
    { "apostropheWord", "cont'd cont'd. 'twas nor'easter c'mon e'er s'mores ev'ry li'l nat'l", false },
    { "sentenceStart",
      "About According Additionally After An A As At But Earlier He Her Here However If In It Last Many More "
      "Mr. Ms. Now Once One Other Our She Since So Some Such That The Their Then There These They This We "
      "When While What Yet You",
      true },
    { "class1Word",
      "Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thurs Fri Ala Ariz Calif Colo "
      "Conn Ct Dak Fla Ga Ind Kan Kans Ky Md Mich Minn Mo Mont Neb Nev Okla Penn Tenn Va Vt Wis Wisc Wyo Inc "
      "Co Cos Corp Ltd Plc Rt Bancorp Bhd Assn Univ Intl Sys tel est ext sq Jr Sr Bros Ed.D Ph.D Blvd Rd Esq "
      "etc al seq Bldg",
      false },
    { "class1Capital", "Az Ark Del Ill La Mass Miss Ore Pa Tex Wash", true },
    { "class2Word",
      "Mr Mrs Ms Dr Drs Prof Profs Sen Sens Rep Reps Atty Attys Lt Col Gen Messrs Gov Govs Adm Rev Maj Sgt "
      "Cpl Pvt Capt St Ste Ave Pres Lieut Hon Brig Cmdr Comdr Pfc Spc Supt Supts Det Mt Ft Adj Adv Asst "
      "Assoc Ens Insp Mlle Mme Msgr Sfc vs Alex Wm Jos Cie a.k.a cf TREAS Ph Invt Elec Natl Dept",
      false },
    { "class2Capital", "Miss", true },
    { "class3", "ca fig figs prop no nos art bldg pp op", false },
    { "fileEnd",
      "bat bmp c class cgi cpp dll doc docx exe gif gz h htm html jar java jpeg jpg mov mp3 pdf php pl png "
      "ppt ps py sql tar txt wav x xml zip",
      false },
    { NULL, NULL, false }
};

static const struct bt_ptb_name patterns[] = {
    { "L", "l | Lmore | `&` [aeiouAEIOU] (`acute`|`grave`|`uml`) `;`", false },
    { "Ld", "L | d", false },
    { "W", "B | newline | cr lf", false },
    { "Q", "q | `&apos;`", false },
    { "Q2", "q2 | `&apos;`", false },
    { "AMP", "`&` | `&amp;`", false },
    { "DQ", "dq | `&quot;`", false },
    { "WORD", "L Ld* ([.!?] L Ld*)*", false },
    { "CLITIC", "Q ([msdMSD] | `re` | `ve` | `ll`)", false },
    { "ACROLONG", "(`Canada`|`Sino`|`Korean`|`EU`|`Japan`|`non`) `-U.S` | `U.S.-U.K` | `U.S.-U.S.S.R`",
      false },
    { "ACRO", "a (`.` a)* | ACROLONG", false },
    { "TAGNAME", "a (an | [_:.-])*", false },
    { "TAGTEXT", "`'` notSq* `'` | dq notDq* dq", false },
    { "TAG",
      "`<` ([!?] (a|`-`) notGt*"
      "    | TAGNAME (sp+ TAGNAME (sp* `=` sp* TAGTEXT)?)* sp* `/`?"
      "    | `/` TAGNAME) sp* `>`",
      false },
    { "CLASS1", "class1Word | class1Capital | `p` `p`? `t` [ey] `s`?", false },
    { "CLASS2", "class2Word | class2Capital | `M` [ft] `g` | ACRO", false },
    { "P", "an+ (`-` a+){0,2}", false },
    { "plus", "`+` | `++`", false },
    { "T", "an (an | [.,] | shy)* (`-` ((an|shy)+ | (a (`.` a)+ | ACROLONG) `.`))+", false },
    { "Y", "([dDoOlL] Q2 (l|d))? (l|d)+", false },
    { "X", "Y (H Y)*", false },
    { "Z", "U+ ((`+` | AMP) U+)+", false },
    { NULL, NULL, false }
};

const struct bt_ptb_grammar bt_ptb_grammar = { sets, lists, patterns };

const struct bt_ptb_rule bt_ptb_rules[] = {
    { "`c++`", NULL, BT_PTB_AS_IS, 0, NULL },
    { "`c#` | `f#`", NULL, BT_PTB_AS_IS, 0, NULL },
    { "`cannot`", NULL, BT_PTB_AS_IS, 3, NULL },
    { "`'twas`", NULL, BT_PTB_AS_IS, 3, NULL },
    { "`'tis`", NULL, BT_PTB_AS_IS, 2, NULL },
    { "`gonna` | `gotta` | `lemme` | `gimme` | `wanna`", NULL, BT_PTB_AS_IS, 2, NULL },
    { "TAG", NULL, BT_PTB_SPACES, 0, NULL },
    { "`&` entityName `;` | dash", NULL, BT_PTB_FIXED, 0, "--" },
    { "`&amp;`", NULL, BT_PTB_FIXED, 0, "&" },
    { "`&` otherEntity `;` | `&#` 9+ `;`", NULL, BT_PTB_AS_IS, 0, NULL },
    /* 10: words and what is written as one */
    { "WORD", "CLITIC", BT_PTB_SOFT, 0, NULL },
    { "(a | shy)* notN shy*", "`n` Q2 `t`", BT_PTB_SOFT, 0, NULL },
    { "WORD", NULL, BT_PTB_SOFT, 0, NULL },
    { "Q `n` Q? | [lLdDjJ] Q | (`Dunkin`|`somethin`|`ol`) Q | Q `em` | [A-HJ-XZn] Q2 l l+ | Q [2-9] `0s`"
      "| Q `til` | Q `till` | l+ [aeiouyAEIOUY] Q2 [aeiouA-Z] l* | Q `cause` | apostropheWord | `O` Q2 `o`",
      NULL, BT_PTB_AS_IS, 0, NULL },
    { "`y` Q", "l", BT_PTB_AS_IS, 0, NULL },
    { "`http` `s`? `://` C1+ C1E", NULL, BT_PTB_AS_IS, 0, NULL },
    { "(`www.` (C2+ `.`)+ a{2,4} | (C3+ `.`)+ (`com`|`net`|`org`|`edu`)) (`/` C4+ C2E)?", NULL, BT_PTB_AS_IS,
      0, NULL },
    { "(`<` | `&lt;`)? an C1M* `@` (C5+ `.`)* C5+ (`>` | `&gt;`)?", NULL, BT_PTB_AS_IS, 0, NULL },
    { "`@` [A-Za-z_] [A-Za-z0-9_]* | `#` L+", NULL, BT_PTB_AS_IS, 0, NULL },
    { "CLITIC", "notA", BT_PTB_CLOSE, 0, NULL },
    /* 20: numbers */
    { "`n` Q2 `t`", "notA", BT_PTB_CLOSE, 0, NULL },
    { "d{1,2} [/-] d{1,2} [/-] d{2,4}", NULL, BT_PTB_AS_IS, 0, NULL },
    { "[+-]? (d+ | d* (numberMark d+)+)", NULL, BT_PTB_SOFT, 0, NULL },
    { "raisedSign? (superscript+ | subscript+)", NULL, BT_PTB_AS_IS, 0, NULL },
    { "(d{1,4} dashOrBlank)? d{1,4} (`\\`? `/` | over) d{1,4}", NULL, BT_PTB_SPACES, 0, NULL },
    { "vulgar", NULL, BT_PTB_VULGAR, 0, NULL },
    { "quoted | `S` AMP (`P-500` | `Ls`) | `Cap` Q `n` | `c` Q `est`", NULL, BT_PTB_AMP, 0, NULL },
    { "P (`\\`? `/` P){1,2}", NULL, BT_PTB_AS_IS, 0, NULL },
    { "U* `$` | `#`", NULL, BT_PTB_AS_IS, 0, NULL },
    { "money", NULL, BT_PTB_MONEY, 0, NULL },
    /* 30: abbreviations */
    { "ACRO `.`", "W+ (sentenceStart | TAG) W", BT_PTB_AS_IS, BT_PTB_ACRONYM, NULL },
    { "class3 `.`", "W? d", BT_PTB_AS_IS, 0, NULL },
    { "(`pt` [eyEY] | `co`) `.`", "B (`ltd` | `lim`)", BT_PTB_AS_IS, 0, NULL },
    { "CLASS1 `.`", "W (W | capital | TAG)", BT_PTB_AS_IS, BT_PTB_DOT, NULL },
    { "CLASS1 `.`", "any any", BT_PTB_AS_IS, 0, NULL },
    { "CLASS1 `.`", NULL, BT_PTB_AS_IS, BT_PTB_DOT, NULL },
    { "CLASS2 `.`", NULL, BT_PTB_AS_IS, 0, NULL },
    { "CLASS2", "B", BT_PTB_AS_IS, 0, NULL },
    { "ACRO", "W", BT_PTB_AS_IS, 0, NULL },
    { "Q 9 9", "W", BT_PTB_AS_IS, 0, NULL },
    /* 40: file names, phone numbers, marks */
    { "Ld+ (`.` Ld+)* `.` fileEnd", "W | [.?!,]", BT_PTB_AS_IS, 0, NULL },
    { "WORD `.`", "I", BT_PTB_SOFT, 0, NULL },
    { "(`(` 9{2,3} `)` blank? | plus? (9{2,4} dashOrBlank)? 9{2,4} dashOrBlank) 9{3,4} dashOrBlank? 9{3,5}"
      "| (plus? 9{2,4} `.`)? 9{2,4} `.` 9{3,4} `.` 9{3,5}",
      NULL, BT_PTB_PHONE, 0, NULL },
    { "DQ", "anDollar", BT_PTB_OPEN, 0, NULL },
    { "DQ", NULL, BT_PTB_CLOSE, 0, NULL },
    { "del", NULL, BT_PTB_NOTHING, 0, NULL },
    { "`<` | `&lt;`", NULL, BT_PTB_FIXED, 0, "<" },
    { "`>` | `&gt;`", NULL, BT_PTB_FIXED, 0, ">" },
    { "[<>]? [:;=] nose? mouth", "notAn", BT_PTB_PHONE, 0, NULL },
    { "oddEye `.[^x=~<>]` | E `_` E | `(` E E `)` | `(` E `_` E `)` | `(` E `.` E `)` | `(` G `-` gOrTick "
      "`)`",
      NULL, BT_PTB_PHONE, 0, NULL },
    { "bracket", NULL, BT_PTB_BRACKET, 0, NULL },
    /* 50: punctuation */
    { "`-`+", NULL, BT_PTB_DASHES, 0, NULL },
    { "`.`{3,5} | (`.` blank){2,4} `.` | ellipsis", NULL, BT_PTB_FIXED, 0, "..." },
    { "`@`+ | `#`+ | `_`+", NULL, BT_PTB_AS_IS, 0, NULL },
    { "`*`+ | `\\*`{1,3}", NULL, BT_PTB_AS_IS, 0, NULL },
    { "I", NULL, BT_PTB_AS_IS, 0, NULL },
    { "[?!]+", NULL, BT_PTB_AS_IS, 0, NULL },
    { "stop", NULL, BT_PTB_AS_IS, 0, NULL },
    { "`=`", NULL, BT_PTB_AS_IS, 0, NULL },
    { "`/`", NULL, BT_PTB_AS_IS, 0, NULL },
    { "T `.`", "I", BT_PTB_SOFT, 0, NULL },
    /* 60: compounds */
    { "T", NULL, BT_PTB_SOFT, 0, NULL },
    { "X `.`", "I", BT_PTB_AS_IS, 0, NULL },
    { "X", NULL, BT_PTB_AS_IS, 0, NULL },
    { "Z `.`", "I", BT_PTB_AMP, 0, NULL },
    { "Z", NULL, BT_PTB_AMP, 0, NULL },
    { "`'`", "a notBlank", BT_PTB_OPEN, 0, NULL },
    { "CLITIC", NULL, BT_PTB_CLOSE, 0, NULL },
    { "`n` Q2 `t`", NULL, BT_PTB_CLOSE, 0, NULL },
    { "Q | `''` | quote{1,2}", NULL, BT_PTB_CLOSE, 0, NULL },
    { "`<<` | `>>`", NULL, BT_PTB_AS_IS, 0, NULL },
    /* 70: the rest */
    { "symbol", NULL, BT_PTB_AS_IS, 0, NULL },
    { "invisible | B+", NULL, BT_PTB_NOTHING, 0, NULL },
    { "newline | cr lf", NULL, BT_PTB_NEWLINE, 0, NULL },
    { "`&nbsp;`", NULL, BT_PTB_NOTHING, 0, NULL },
    { "any", NULL, BT_PTB_NOTHING, 0, NULL },
};

const int bt_ptb_rule_count = sizeof bt_ptb_rules / sizeof *bt_ptb_rules;
