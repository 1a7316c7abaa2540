package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const module = "caddymodule"

// section is a block of options: what it is called, the type of its JSON, and the function that reads it, whose comment shows its syntax.
type section struct {
	name   string // of the heading, and of its translations
	level  int
	of     string // the type; "" where Caddy has it
	parser string // the function; "" where the block around it shows the syntax
	module string // Caddy's name of the module; "" of a part of one
}

// sections stand in the order of the Caddyfile.
var sections = []section{
	{"global", 2, "App", "parseGlobal", "pay"},
	{"ledger", 3, "LedgerConfig", "parseLedger", ""},
	{"notify", 3, "NotifyConfig", "parseNotify", ""},
	{"pay", 2, "Handler", "parsePay", "http.handlers.pay"},
	{"pingpp", 3, "PingppConfig", "parsePingpp", ""},
	{"wechat", 3, "WeChatConfig", "parseWeChat", ""},
	{"session", 3, "SessionConfig", "parseSession", ""},
	{"upstream", 3, "", "", ""},
	{"orders", 3, "OrdersConfig", "parseOrders", ""},
	{"status", 4, "OrderStatusConfig", "", ""},
	{"not_found", 4, "OrderNotFoundConfig", "", ""},
	{"default", 4, "OrderDefaultConfig", "", ""},
	{"allow_client_amount", 3, "ClientAmountConfig", "parseClientAmount", ""},
	{"events", 3, "EventsConfig", "parseEvents", ""},
	{"expect", 4, "ExpectConfig", "", ""},
	{"json", 4, "ExpectJSONConfig", "", ""},
	{"limits", 3, "LimitsConfig", "parseLimits", ""},
	{"login", 3, "LoginConfig", "", ""},
	{"merchant_api", 3, "MerchantAPIConfig", "parseMerchantAPI", ""},
	{"reconcile", 3, "ReconcileConfig", "parseReconcile", ""},
	{"shipping", 3, "ShippingConfig", "parseShipping", ""},
	{"auto", 4, "AutoShippingConfig", "", ""},
	{"checkout", 3, "CheckoutConfig", "parseCheckout", ""},
	{"wechat_auth", 2, "WeChatAuth", "parseWeChatAuth", "http.authentication.providers.wechat"},
	{"pay_paid", 2, "MatchPaid", "MatchPaid.UnmarshalCaddyfile", "http.matchers.pay_paid"},
	{"pay_console", 2, "Console", "parseConsole", "http.handlers.pay_console"},
	{"pay_sandbox", 2, "Sandbox", "parseSandbox", "http.handlers.pay_sandbox"},
}

// option is a member of a block's JSON.
type option struct{ name, kind, of, text string }

// source is what the comments of caddymodule say.
type source struct {
	types   map[string]string // their comments
	options map[string][]option
	funcs   map[string]string
}

func readSource() (*source, error) {
	set := token.NewFileSet()
	names, err := filepath.Glob(module + "/*.go")
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("%s is not here: run this in the repository's root", module)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	d, err := doc.NewFromFiles(set, files, module, doc.AllDecls)
	if err != nil {
		return nil, err
	}
	s := &source{map[string]string{}, map[string][]option{}, map[string]string{}}
	for _, f := range d.Funcs {
		s.funcs[f.Name] = f.Doc
	}
	for _, t := range d.Types {
		for _, f := range t.Methods {
			s.funcs[t.Name+"."+f.Name] = f.Doc
		}
		for _, f := range t.Funcs {
			s.funcs[f.Name] = f.Doc
		}
		of, ok := t.Decl.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType)
		if !ok {
			continue
		}
		s.types[t.Name] = t.Doc
		for _, f := range of.Fields.List {
			if f.Tag == nil || len(f.Names) != 1 {
				continue
			}
			tag, err := strconv.Unquote(f.Tag.Value)
			if err != nil {
				return nil, err
			}
			name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
			if name == "" || name == "lines" { // which only an adapted Caddyfile has
				continue
			}
			kind, element, err := kindOf(f.Type)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", t.Name, f.Names[0], err)
			}
			text := oneLine(f.Doc.Text())
			if text == "" {
				return nil, fmt.Errorf("%s.%s has no comment", t.Name, f.Names[0])
			}
			s.options[t.Name] = append(s.options[t.Name], option{name, kind, element, text})
		}
	}
	return s, s.complete()
}

// complete finds options that stand in no section.
func (s *source) complete() error {
	for _, is := range sections {
		for _, o := range s.options[is.of] {
			if o.of != "" && !slices.ContainsFunc(sections, func(other section) bool { return other.of == o.of }) {
				return fmt.Errorf("%s.%s is a %s, of which no section tells", is.of, o.name, o.of)
			}
		}
	}
	return nil
}

// kindOf is what a member is in JSON, and our type that it holds, if any.
func kindOf(t ast.Expr) (kind, of string, err error) {
	switch t := t.(type) {
	case *ast.Ident:
		switch t.Name {
		case "string", "bool":
			return t.Name, "", nil
		case "int", "int64", "float64":
			return "number", "", nil
		}
		return "object", t.Name, nil
	case *ast.StarExpr:
		return kindOf(t.X)
	case *ast.ArrayType:
		kind, of, err = kindOf(t.Elt)
		return "array of " + kind, of, err
	case *ast.MapType:
		kind, of, err = kindOf(t.Value)
		return "object of " + kind, of, err
	case *ast.SelectorExpr:
		switch t.Sel.Name {
		case "Duration":
			return "duration", "", nil
		case "RawMessage":
			return "module", "", nil
		}
	}
	return "", "", fmt.Errorf("this kind of member is not known here")
}

var namedPage = regexp.MustCompile(`\bdocs/(\w+\.md)`)

// oneLine is a comment as it stands in a page beside those that it names.
func oneLine(text string) string {
	return namedPage.ReplaceAllString(strings.Join(strings.Fields(text), " "), "[$1]($1)")
}

var codeLines = regexp.MustCompile(`(?m)^\t.*\n?(?:\n?\t.*\n?)*`)

// comments are what a syntax says in words.
var comments = regexp.MustCompile(`(?m)# .+$`)

// syntax splits the comment of a function into the syntax that it shows and what it says after that.
func syntax(text string) (grammar, remark string) {
	at := codeLines.FindStringIndex(text)
	if at == nil {
		return "", ""
	}
	var lines []string
	for line := range strings.SplitSeq(strings.TrimRight(text[at[0]:at[1]], "\n"), "\n") {
		lines = append(lines, strings.TrimPrefix(line, "\t"))
	}
	return strings.Join(lines, "\n"), oneLine(text[at[1]:])
}

// title is a section's heading.
func (l language) title(is section) string { return cmp.Or(l.titles[is.name], "`"+is.name+"`") }

// linked is an option's name, which leads to the section that tells of its block.
func (l language) linked(o option) string {
	name := "`" + o.name + "`"
	for _, is := range sections {
		if o.of != "" && is.of == o.of || is.of == "" && is.name == o.name {
			anchor := strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(l.title(is), "`", "")), " ", "-")
			return "[" + name + "](#" + anchor + ")"
		}
	}
	return name
}

// reference is docs/caddyfile.md in a language.
func reference(language string) ([]byte, error) {
	s, err := readSource()
	if err != nil {
		return nil, err
	}
	words, say := languages[language], newSayer(language)
	var page bytes.Buffer
	page.WriteString(words.intro)
	for _, is := range sections {
		fmt.Fprintf(&page, "\n%s %s\n", strings.Repeat("#", is.level), words.title(is))
		if is.of == "" {
			fmt.Fprintf(&page, "\n%s\n", words.upstream)
			continue
		}
		about := oneLine(s.types[is.of])
		name := "`" + is.name + "`"
		if is.module != "" {
			name = "This"
		}
		if about = name + strings.TrimPrefix(about, is.of); about == name {
			return nil, fmt.Errorf("%s has no comment", is.of)
		}
		fmt.Fprintf(&page, "\n%s\n", say.of(is.name, about))
		if is.module != "" {
			fmt.Fprintf(&page, "\n"+words.module+"\n", is.module)
		}
		if is.parser != "" {
			grammar, remark := syntax(s.funcs[is.parser])
			if grammar == "" {
				return nil, fmt.Errorf("the comment of %s shows no syntax", is.parser)
			}
			grammar = comments.ReplaceAllStringFunc(grammar, func(comment string) string {
				return "# " + say.of(is.name+" "+comment, strings.TrimPrefix(comment, "# "))
			})
			fmt.Fprintf(&page, "\n```\n%s\n```\n", grammar)
			if remark != "" {
				fmt.Fprintf(&page, "\n%s\n", say.of(is.name+" remark", remark))
			}
		}
		fmt.Fprintf(&page, "\n%s\n|---|---|---|\n", words.head)
		for _, o := range s.options[is.of] {
			fmt.Fprintf(&page, "| %s | %s | %s |\n", words.linked(o), words.kind(o.kind), say.of(is.name+" "+o.name, strings.ReplaceAll(o.text, "|", `\|`)))
		}
	}
	return page.Bytes(), say.err()
}
