from unicodedata import category, normalize, unidata_version

print(unidata_version)
for code in range(0x110000):
    character = chr(code)
    # Cn: not a character in this edition. Cs: half of one, in UTF-16.
    if category(character) in ("Cn", "Cs"):
        continue
    name = normalize("NFKC", f"a{character}b")
    folded = normalize("NFKC", "".join(c.lower() for c in name))
    print(f"{code:X}", category(character), ".".join(f"{ord(c):X}" for c in folded))
