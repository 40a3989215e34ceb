/* A program without Rust: issues a token, verifies it, and sees it expire and a changed one fail. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

size_t gatekey_issue(const uint8_t *key, size_t key_len, int64_t id, uint64_t now, uint64_t lifetime,
                     uint8_t *token, size_t room);
int64_t gatekey_verify(const uint8_t *key, size_t key_len, const uint8_t *token, size_t token_len, uint64_t now);

int main(void) {
    const uint8_t *key = (const uint8_t *)"a secret of thirty-two bytes ...";
    const uint64_t now = 1795413227;
    uint8_t token[256];
    size_t length = gatekey_issue(key, 32, 7, now, 600, token, sizeof token);
    int64_t good = gatekey_verify(key, 32, token, length, now + 599);
    int64_t expired = gatekey_verify(key, 32, token, length, now + 600);
    token[length / 2] ^= 1;
    int64_t changed = gatekey_verify(key, 32, token, length, now);
    size_t cramped = gatekey_issue(key, 32, 7, now, 600, token, length - 1);
    size_t weak = gatekey_issue(key, 15, 7, now, 600, token, sizeof token);
    printf("good=%d expired=%d changed=%d cramped=%d weak=%d\n", (int)good, (int)expired, (int)changed,
           (int)cramped, (int)weak);
    return 0;
}
