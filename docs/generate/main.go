// Command generate writes the pages, or the parts of pages, that the source itself tells: docs/caddyfile.md in both languages, from the comments of
// caddymodule; docs/http-api.openapi.json, from the types that /pay answers with; and the picture of the packages in docs/architecture.md, from their imports.
//
//	go run ./docs/generate
//
// in the repository's root, or `make docs` there.
package main

import (
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	pages, err := generate()
	if err != nil {
		log.Fatal(err)
	}
	for file, text := range pages {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			log.Fatalf("run this in the repository's root: %v", err)
		}
	}
}

// generate returns each page by its name. It reads the source in the working directory.
func generate() (map[string][]byte, error) {
	pages := map[string][]byte{}
	for _, language := range []string{"en", "zh"} {
		text, err := reference(language)
		if err != nil {
			return nil, err
		}
		pages[languages[language].reference] = text
	}
	api, err := openAPI()
	if err != nil {
		return nil, err
	}
	pages[httpAPI] = api
	for _, page := range []string{"docs/architecture.md", "docs/architecture.zh-CN.md"} {
		text, err := withPicture(page)
		if err != nil {
			return nil, err
		}
		pages[page] = text
	}
	return pages, nil
}
