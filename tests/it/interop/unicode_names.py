from unicodedata import category, normalize, unidata_version

NFC, NFD, NFKC, NFKD = ((lambda text, form=form: normalize(form, text)) for form in ("NFC", "NFD", "NFKC", "NFKD"))
# What an app may do to a name before it compares or stores it.
FOLDINGS = (
    NFD,
    NFKC,
    NFKD,
    str.upper,
    str.lower,
    str.title,
    str.swapcase,
    str.casefold,
    lambda name: NFKC(NFKC(name).casefold()),
    lambda name: NFKC(name).upper(),
    lambda name: NFKC(name).lower(),
    lambda name: name.upper().casefold(),
)


def hexadecimal(text):
    return ".".join(f"{ord(character):X}" for character in text)


print(unidata_version)
for code in range(0x110000):
    character = chr(code)
    # Cn: not a character in this edition. Cs: half of one, in UTF-16.
    if category(character) in ("Cn", "Cs"):
        continue
    # With some marks these capitals are two characters and their small letters are one.
    befores = "aHJTWY" if category(character).startswith("M") else "a"
    for before in befores:
        name = f"{before}{character}b"
        folded = {fold(NFC(name)) for fold in FOLDINGS}
        print(category(character), hexadecimal(name), *sorted(map(hexadecimal, folded)))
