package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"
)

// mutant is one small change of the code. All those of a group are in the same test binaries, switched off: a variable of the environment
// switches one on. So nothing is compiled per mutant, and a test that comes by says so.
type mutant struct {
	id   int
	pkg  string
	file string
	line int
	key  string // function and change: what the list of survivors names it by, wherever the function moves

	start, end    int // of the code that is changed
	before, after string
}

// maker finds what can be changed in one file.
type maker struct {
	p      *loaded
	f      *file
	found  *[]*mutant
	parent []ast.Node // of the node at hand
}

// mutantsOf returns the mutants of a group's packages.
//
// Left alone is what cannot fail a test or needs a fault at every call: the comparison of an error with nil (what is done about the error is
// changed instead), locks, log lines, and calls that only free something.
func mutantsOf(pkgs []*loaded) (found []*mutant) {
	for _, p := range pkgs {
		for _, f := range p.files {
			m := &maker{p: p, f: f, found: &found}
			ast.PreorderStack(f.tree, nil, func(n ast.Node, stack []ast.Node) bool {
				m.parent = stack
				return m.node(n)
			})
		}
	}
	times := map[string]int{}
	for _, m := range found {
		if times[m.key]++; times[m.key] > 1 {
			m.key += fmt.Sprintf(" #%d", times[m.key])
		}
	}
	return found
}

// node adds the mutants of a node, and says whether its children have some too.
func (m *maker) node(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GenDecl:
		return n.Tok == token.VAR || len(m.parent) > 1 && n.Tok != token.CONST
	case ast.Stmt:
		return m.statement(n)
	case *ast.KeyValueExpr:
		m.field(n)
	case ast.Expr:
		if tv := m.p.info.Types[n]; tv.Value != nil || tv.IsType() {
			return false // a constant has no parts that could be changed alone
		}
		m.arithmetic(n)
		if m.isBool(n) && !m.isOperand() {
			m.condition(n, true)
		}
	}
	return true
}

// add makes a mutant of the code between two nodes' ends. § stands for its id.
func (m *maker) add(n ast.Node, text, before, after string) {
	file := m.p.fset.File(n.Pos())
	k := &mutant{
		id: len(*m.found) + 1, pkg: m.p.path, file: m.f.name, line: file.Line(n.Pos()), key: m.function() + ": " + text,
		start: file.Offset(n.Pos()), end: file.Offset(n.End()),
	}
	k.before, k.after = strings.ReplaceAll(before, "§", strconv.Itoa(k.id)), strings.ReplaceAll(after, "§", strconv.Itoa(k.id))
	*m.found = append(*m.found, k)
}

// function names where the node is: a function or a method, without its receiver, which is another when code moves; "var x".
func (m *maker) function() string {
	for _, p := range m.parent {
		switch p := p.(type) {
		case *ast.FuncDecl:
			return p.Name.Name
		case *ast.ValueSpec:
			return "var " + p.Names[0].Name
		}
	}
	return "package"
}

// source returns the text of a node.
func (m *maker) source(n ast.Node) string {
	file := m.p.fset.File(n.Pos())
	return string(m.f.text[file.Offset(n.Pos()):file.Offset(n.End())])
}

// words is the text of a node in one line, of a length that a list can show.
func (m *maker) words(n ast.Node) string {
	text := strings.Join(strings.Fields(m.source(n)), " ")
	if r := []rune(text); len(r) > 120 {
		text = string(r[:119]) + "…"
	}
	return text
}

func (m *maker) isBool(e ast.Expr) bool {
	b, ok := m.p.info.TypeOf(e).(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

// isOperand says that the node is a part of a condition that is dealt with whole.
func (m *maker) isOperand() bool {
	switch p := m.parent[len(m.parent)-1].(type) {
	case *ast.BinaryExpr:
		return p.Op == token.LAND || p.Op == token.LOR
	case *ast.UnaryExpr:
		return p.Op == token.NOT
	case *ast.ParenExpr:
		return m.isBool(p)
	}
	return false
}

// condition makes the mutants of a boolean expression: each operand of && and || as if it were not there, the whole as if it were always true or
// never, and each boundary moved. A bare name or call counts only where it decides what is run.
func (m *maker) condition(e ast.Expr, root bool) {
	x := ast.Unparen(e)
	if m.aboutError(x) {
		return
	}
	switch x := x.(type) {
	case *ast.BinaryExpr:
		if x.Op == token.LAND || x.Op == token.LOR {
			if root {
				m.always(e, x.Op == token.LOR)
			}
			for _, operand := range []ast.Expr{x.X, x.Y} {
				if inner, ok := ast.Unparen(operand).(*ast.BinaryExpr); !ok || inner.Op != x.Op {
					if !m.aboutError(ast.Unparen(operand)) {
						m.always(operand, x.Op == token.LAND)
					}
				}
				m.condition(operand, false)
			}
			return
		}
		m.boundary(x)
	case *ast.UnaryExpr:
		if x.Op == token.NOT {
			m.condition(x.X, false)
		}
	case *ast.CallExpr:
		m.moment(x)
		if root && !m.decides() {
			return
		}
	default:
		if root && !m.decides() {
			return
		}
	}
	if root {
		m.always(e, false)
		if _, loop := m.parent[len(m.parent)-1].(*ast.ForStmt); !loop {
			m.always(e, true)
		}
	}
}

// aboutError says that the expression compares an error with nil.
func (m *maker) aboutError(e ast.Expr) bool {
	b, ok := e.(*ast.BinaryExpr)
	return ok && (b.Op == token.EQL || b.Op == token.NEQ) && m.p.info.Types[b.Y].IsNil() && types.Identical(m.p.info.TypeOf(b.X), errorType)
}

// decides says that the node is the condition of an if, a for or a case.
func (m *maker) decides() bool {
	switch p := m.parent[len(m.parent)-1].(type) {
	case *ast.IfStmt, *ast.ForStmt:
		return true
	case *ast.CaseClause:
		return true
	case *ast.ReturnStmt:
		return len(p.Results) > 0
	}
	return false
}

func (m *maker) always(e ast.Expr, is bool) {
	before, after := "mutantIs(§)", ""
	if m.idempotent(e) {
		before, after = "mutantOn(§)", ")"
	}
	op := "||"
	if !is {
		before, op = "!"+before, "&&"
	}
	if after != "" {
		op += fmt.Sprintf(" mutantSaw(§, %t,", is)
	}
	m.add(e, fmt.Sprintf("%s → %t", m.words(e), is), "("+before+" "+op+" ", after+")")
}

// instead makes a mutant that another condition replaces.
func (m *maker) instead(e ast.Expr, words, text string) {
	before, after := "(mutantIs(§) && ("+text+") || !mutantIs(§) && ", ")"
	if m.idempotent(e) {
		before, after = "(mutantOn(§) && ("+text+") || !mutantOn(§) && mutantSaw(§, "+text+", ", "))"
	}
	m.add(e, m.words(e)+" → "+words, before, after)
}

var boundaries = map[token.Token]string{token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">"}

// boundary moves the end of a range by one.
func (m *maker) boundary(b *ast.BinaryExpr) {
	if op := boundaries[b.Op]; op != "" {
		m.instead(b, m.words(b.X)+" "+op+" "+m.words(b.Y), m.source(b.X)+op+m.source(b.Y))
	}
}

// moment moves the end of a span of time by one.
func (m *maker) moment(c *ast.CallExpr) {
	sel, ok := c.Fun.(*ast.SelectorExpr)
	if !ok || len(c.Args) != 1 || m.p.info.TypeOf(sel.X) == nil || m.p.info.TypeOf(sel.X).String() != "time.Time" {
		return
	}
	if other := map[string]string{"After": "Before", "Before": "After"}[sel.Sel.Name]; other != "" {
		format := "!%s." + other + "(%s)"
		m.instead(c, fmt.Sprintf(format, m.words(sel.X), m.words(c.Args[0])), fmt.Sprintf(format, m.source(sel.X), m.source(c.Args[0])))
	}
}

var otherOps = map[token.Token]token.Token{token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.ADD, token.QUO: token.MUL, token.REM: token.ADD}

// arithmetic makes the mutants of sums and the like. Both results are computed, so nothing that a call does may be done twice.
func (m *maker) arithmetic(e ast.Expr) {
	number := func(e ast.Expr) bool {
		b, ok := m.p.info.TypeOf(e).Underlying().(*types.Basic)
		return ok && b.Info()&types.IsNumeric != 0
	}
	switch e := e.(type) {
	case *ast.BinaryExpr:
		if op, ok := otherOps[e.Op]; ok && number(e) && m.pure(e) {
			m.add(e, fmt.Sprintf("%s → %s %s %s", m.words(e), m.words(e.X), op, m.words(e.Y)), "mutantPick(§, ", ", "+m.source(e.X)+op.String()+m.source(e.Y)+")")
		}
	case *ast.UnaryExpr:
		if e.Op == token.SUB && number(e) && m.pure(e) {
			m.add(e, m.words(e)+" → "+m.words(e.X), "mutantPick(§, ", ", "+m.source(e.X)+")")
		}
	case *ast.CallExpr:
		name, ok := e.Fun.(*ast.Ident)
		if !ok || !m.p.info.Types[name].IsBuiltin() || !m.pure(e) {
			return
		}
		if other := map[string]string{"min": "max", "max": "min"}[name.Name]; other != "" {
			args := strings.TrimPrefix(m.source(e), name.Name)
			m.add(e, m.words(e)+" → "+other, "mutantPick(§, ", ", "+other+args+")")
		}
	}
}

// pure says that an expression calls nothing but conversions, builtins and methods of times.
func (m *maker) pure(e ast.Expr) bool { return m.calls(e) }

// idempotent says that it makes no difference whether, and how often, an expression is evaluated: then a mutant of it is come by only where its value
// is another.
func (m *maker) idempotent(e ast.Expr) bool {
	return m.calls(e, "bytes.", "cmp.", "errors.Is", "slices.Contains", "strings.", "unicode.", "utf8.")
}

// calls says that an expression calls nothing but what begins with one of the names, and what is pure.
func (m *maker) calls(e ast.Expr, names ...string) bool {
	pure := true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			tv := m.p.info.Types[n.Fun]
			sel, ok := n.Fun.(*ast.SelectorExpr)
			named := ok && slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(m.source(n.Fun), name) })
			if !tv.IsType() && !tv.IsBuiltin() && !named && !(ok && strings.HasPrefix(fmt.Sprint(m.p.info.TypeOf(sel.X)), "time.")) {
				pure = false
			}
		case *ast.FuncLit:
			pure = false
		case *ast.UnaryExpr:
			pure = pure && n.Op != token.ARROW
		}
		return pure
	})
	return pure
}

// field makes a mutant that leaves a field of a struct out.
func (m *maker) field(kv *ast.KeyValueExpr) {
	lit, ok := m.parent[len(m.parent)-1].(*ast.CompositeLit)
	if !ok {
		return
	}
	if _, ok := m.p.info.TypeOf(lit).Underlying().(*types.Struct); !ok {
		if p, ok := m.p.info.TypeOf(lit).Underlying().(*types.Pointer); !ok {
			return
		} else if _, ok := p.Elem().Underlying().(*types.Struct); !ok {
			return
		}
	}
	m.zero(kv.Value, m.words(kv)+" → left out")
}

// zero makes a mutant that has the zero value in place of an expression's, unless it is that already, or an error.
func (m *maker) zero(e ast.Expr, text string) {
	tv := m.p.info.Types[e]
	of := ""
	switch t := tv.Type.(type) {
	case nil, *types.Tuple:
		return
	case *types.Basic:
		if t.Info()&types.IsUntyped != 0 || tv.Value == nil && t.Info()&types.IsBoolean != 0 { // a condition has mutants of its own
			return
		}
		of = "[" + t.Name() + "]" // a constant may have no type of its own
	default:
		if types.Identical(t, errorType) || tv.Value != nil && !m.typed(e, t) {
			return
		}
	}
	if tv.Value != nil {
		if s := tv.Value.ExactString(); s == "0" || s == `""` || s == "false" {
			return
		}
	}
	if lit, ok := ast.Unparen(e).(*ast.CompositeLit); ok && len(lit.Elts) == 0 {
		return
	}
	m.add(e, text, "mutantZero"+of+"(§, ", ")")
}

// typed says that a constant has the type by itself, not by where it stands.
func (m *maker) typed(e ast.Expr, t types.Type) bool {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		if name, ok := n.(*ast.Ident); ok && m.p.info.Uses[name] != nil && types.Identical(m.p.info.Uses[name].Type(), t) {
			found = true
		}
		return !found
	})
	return found
}

var errorType = types.Universe.Lookup("error").Type()

// changed returns the text of a file with its mutants in it, switched off.
func changed(text []byte, ms []*mutant) []byte {
	type insert struct {
		at   int
		text string
	}
	var inserts []insert
	opened := slices.Clone(ms)
	slices.SortStableFunc(opened, func(a, b *mutant) int { // what is around others begins before them
		if a.start != b.start {
			return a.start - b.start
		}
		return b.end - a.end
	})
	var open []*mutant
	shut := func(until int) {
		for len(open) > 0 && open[len(open)-1].end <= until {
			last := open[len(open)-1]
			open = open[:len(open)-1]
			inserts = append(inserts, insert{last.end, last.after})
		}
	}
	for _, k := range opened {
		shut(k.start)
		inserts = append(inserts, insert{k.start, k.before})
		open = append(open, k)
	}
	shut(len(text))
	var b bytes.Buffer
	at := 0
	for _, in := range inserts {
		b.Write(text[at:in.at])
		b.WriteString(in.text)
		at = in.at
	}
	b.Write(text[at:])
	return b.Bytes()
}
