from unicodedata import category, normalize, unidata_version


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
        folded = normalize("NFKC", "".join(c.lower() for c in normalize("NFKC", name)))
        print(category(character), hexadecimal(name), hexadecimal(folded))
