/* libcommon/base/hash.h: published test vectors, and one result however the input is cut. */
#include "tests/test.h"

#include "libcommon/base/hash.h"
#include "tests/base/scratch.h"

static unsigned char data[1000];

static void test_crc32c(void)
{
    static const unsigned char zeros[32];
    unsigned char ones[32], rising[32], falling[32];

    for (int i = 0; i < 32; i++) {
        ones[i] = 0xFF;
        rising[i] = (unsigned char)i;
        falling[i] = (unsigned char)(31 - i);
    }
    CHECK_INT(bt_crc32c(0, "", 0), 0);
    CHECK_INT(bt_crc32c(0, "123456789", 9), 0xe3069283);
    CHECK_INT(bt_crc32c(0, zeros, 32), 0x8a9136aa); /* RFC 3720, B.4, and so on */
    CHECK_INT(bt_crc32c(0, ones, 32), 0x62a8ab43);
    CHECK_INT(bt_crc32c(0, rising, 32), 0x46dd794e);
    CHECK_INT(bt_crc32c(0, falling, 32), 0x113fdb5c);
    CHECK_INT(bt_crc32c_portable(0, "123456789", 9), 0xe3069283);
    CHECK_INT(bt_crc32c_portable(0, falling, 32), 0x113fdb5c);
}

static void test_crc32c_in_pieces(void)
{
    static char copy[sizeof data];
    uint32_t whole = bt_crc32c(0, data, sizeof data);

    for (size_t cut = 0; cut <= sizeof data; cut++) {
        uint32_t crc = bt_crc32c(0, data, cut);

        CHECK_INT(bt_crc32c_portable(0, data, cut), crc);
        CHECK_INT(bt_crc32c(crc, data + cut, sizeof data - cut), whole);
        memset(copy, 0, sizeof copy);
        CHECK_INT(bt_crc32c_copy(0, copy, data, cut), crc);
        CHECK(memcmp(copy, data, cut) == 0 && (cut == sizeof data || copy[cut] == 0));
    }
}

/* Lengths at which another way to compute begins, and some around them. */
static void test_crc32c_large(void)
{
    enum { BYTES = 200000 };
    uint8_t *bytes = malloc(BYTES);

    for (uint32_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    for (size_t block = 3584; block < BYTES; block += block / 2)
        for (size_t size = block - 9; size < block + 260; size += 67) {
            uint32_t crc = bt_crc32c_portable(7, bytes + 3, size);

            CHECK_INT(bt_crc32c(7, bytes + 3, size), crc);
            CHECK_INT(bt_crc32c(bt_crc32c(7, bytes + 3, block / 3), bytes + 3 + block / 3, size - block / 3), crc);
        }
    free(bytes);
}

static void test_xxh64(void)
{
    struct bt_xxh64_state *s = bt_xxh64_new();

    CHECK(s);
    CHECK(bt_xxh64("", 0) == 0xef46db3751d8e999u);
    CHECK(bt_xxh64("abc", 3) == 0x44bc2cf5ad770999u);
    CHECK(bt_xxh64_value(s) == 0xef46db3751d8e999u);
    for (size_t i = 0; i < sizeof data; i += 10) {
        CHECK(bt_xxh64_value(s) == bt_xxh64(data, i)); /* asking does not end it */
        bt_xxh64_add(s, data + i, 10);
    }
    CHECK(bt_xxh64_value(s) == bt_xxh64(data, sizeof data));
    bt_xxh64_reset(s);
    bt_xxh64_add(s, NULL, 0);
    bt_xxh64_add(s, "abc", 3);
    CHECK(bt_xxh64_value(s) == 0x44bc2cf5ad770999u);
    bt_xxh64_free(s);
    bt_xxh64_free(NULL);
}

static void check_sha256(const uint8_t digest[32], const char *want)
{
    char hex[65];

    bt_hex(hex, digest, 32);
    CHECK_STR(hex, want);
}

static const char sha256_abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void test_sha256(void)
{
    struct bt_sha256_state *s = bt_sha256_new();
    uint8_t digest[32];

    bt_sha256("", 0, digest);
    check_sha256(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    bt_sha256("abc", 3, digest);
    check_sha256(digest, sha256_abc);
    CHECK(s);
    bt_sha256_add(s, "a", 1);
    bt_sha256_add(s, "", 0);
    bt_sha256_add(s, "bc", 2);
    bt_sha256_value(s, digest);
    check_sha256(digest, sha256_abc);
    bt_sha256_free(s);
    bt_sha256_free(NULL);
}

static void test_sha256_file(void)
{
    struct bt_err err = { 0 };
    uint8_t digest[32] = { 0 };
    uint64_t bytes = 0;

    CHECK_OK(bt_sha256_file(scratch_text("abc", "abc"), digest, &bytes, &err), &err);
    check_sha256(digest, sha256_abc);
    CHECK_INT(bytes, 3);
    CHECK_OK(bt_sha256_file(scratch("abc"), digest, NULL, &err), &err);
    CHECK_INT(bt_sha256_file(scratch("none"), digest, NULL, &err), BT_ERR_NOINPUT);
}

static void test_hex(void)
{
    char out[9];

    bt_hex(out, "\x00\x0f\xa5\xff", 4);
    CHECK_STR(out, "000fa5ff");
    bt_hex(out, "", 0);
    CHECK_STR(out, "");
}

int main(void)
{
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * i + 3 * i);
    scratch_begin();
    RUN(test_crc32c);
    RUN(test_crc32c_in_pieces);
    RUN(test_crc32c_large);
    RUN(test_xxh64);
    RUN(test_sha256);
    RUN(test_sha256_file);
    RUN(test_hex);
    scratch_end();
    return test_end();
}
