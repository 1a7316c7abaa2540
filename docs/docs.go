// Package docs brings the pages that the program itself shows, so that its links lead somewhere without a network.
package docs

import _ "embed"

// Check is check.md, about the findings of `caddy pay check`.
//
//go:embed check.md
var Check string

// CheckZH is the same in Chinese.
//
//go:embed check.zh-CN.md
var CheckZH string
