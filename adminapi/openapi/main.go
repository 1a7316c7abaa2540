package main

import (
	"log"
	"os"
)

const file = "docs/admin-api.openapi.json"

func main() {
	log.SetFlags(0)
	raw, err := generate()
	if err == nil {
		err = os.WriteFile(file, raw, 0o644)
	}
	if err != nil {
		log.Fatalf("run this in the repository's root: %v", err)
	}
}
