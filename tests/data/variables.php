<?php
// The app of tests/it/guarding: its variables, one a line.
foreach ($_SERVER as $name => $value) {
    if (is_string($value)) {
        echo "$name=$value\n";
    }
}
