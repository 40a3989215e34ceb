-- From version 4 to 5: remembered addresses are found without the user. Released: never change it.

-- A login asks for an address before it reads anything about the user.
CREATE INDEX remembered_addresses_by_address ON remembered_addresses (address, seen_at);
