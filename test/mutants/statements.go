package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// statement adds the mutants of a statement: as if it were not there.
func (m *maker) statement(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.ReturnStmt:
		m.results(s)
	case *ast.AssignStmt:
		if s.Tok != token.DEFINE && m.inList(s) && !m.blank(s) {
			m.remove(s)
		}
	case *ast.IncDecStmt, *ast.SendStmt, *ast.GoStmt:
		if m.inList(s) {
			m.remove(s)
		}
	case *ast.BranchStmt:
		if m.inList(s) && (s.Tok == token.BREAK || s.Tok == token.CONTINUE) {
			m.remove(s)
		}
	case *ast.ExprStmt:
		if call, ok := s.X.(*ast.CallExpr); ok && m.inList(s) {
			if m.logs(call) {
				return false
			}
			if !m.idle(call, "panic", "Close", "Stop") {
				m.remove(s)
			}
		}
	case *ast.DeferStmt:
		if m.inList(s) && !m.idle(s.Call, "Close", "Stop", "cancel", "stop") {
			m.remove(s)
		}
	}
	return true
}

func (m *maker) remove(s ast.Stmt) { m.add(s, m.words(s)+" → removed", "if !mutantIs(§) { ", " }") }

// inList says that the statement stands alone, so that it can be left out.
func (m *maker) inList(s ast.Stmt) bool {
	switch p := m.parent[len(m.parent)-1].(type) {
	case *ast.BlockStmt, *ast.CaseClause:
		return true
	case *ast.CommClause:
		return p.Comm != s
	}
	return false
}

// blank says that an assignment keeps nothing.
func (m *maker) blank(s *ast.AssignStmt) bool {
	return !slices.ContainsFunc(s.Lhs, func(e ast.Expr) bool {
		name, ok := e.(*ast.Ident)
		return !ok || name.Name != "_"
	})
}

// logs says that a call writes a log line.
func (m *maker) logs(c *ast.CallExpr) bool {
	sel, ok := c.Fun.(*ast.SelectorExpr)
	return ok && strings.Contains(fmt.Sprint(m.p.info.TypeOf(sel.X)), "go.uber.org/zap")
}

// idle says that a call locks, or is one of those named.
func (m *maker) idle(c *ast.CallExpr, names ...string) bool {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return slices.Contains(names, f.Name)
	case *ast.SelectorExpr:
		s := m.p.info.Selections[f]
		locks := s != nil && s.Obj().Pkg() != nil && s.Obj().Pkg().Path() == "sync"
		return locks || slices.Contains(names, f.Sel.Name)
	}
	return false
}

// results makes the mutants of what a function returns. What is returned beside an error nobody looks at.
func (m *maker) results(s *ast.ReturnStmt) {
	if m.fails(s) {
		return
	}
	for _, e := range s.Results {
		tv := m.p.info.Types[e]
		switch {
		case tv.Value != nil && m.isBool(e):
			other := map[string]string{"true": "false", "false": "true"}[tv.Value.String()]
			m.add(e, m.words(s)+" → "+other, "mutantPick(§, ", ", "+other+")")
		case m.isBool(e):
		default:
			which := ""
			if len(s.Results) > 1 {
				which = " " + m.words(e)
			}
			m.zero(e, m.words(s)+" → zero"+which)
		}
	}
}

// fails says that a function surely returns an error here.
func (m *maker) fails(s *ast.ReturnStmt) bool {
	if len(s.Results) < 2 {
		return false
	}
	last := s.Results[len(s.Results)-1]
	t := m.p.info.TypeOf(last)
	if m.p.info.Types[last].IsNil() || !types.AssignableTo(t, errorType) {
		return false
	}
	if !types.Identical(t, errorType) { // of a type of its own, and so not nil
		return true
	}
	switch e := last.(type) {
	case *ast.CallExpr:
		made := m.words(e.Fun)
		return made == "errors.New" || made == "fmt.Errorf"
	case *ast.Ident:
		if v, ok := m.p.info.Uses[e].(*types.Var); ok && v.Parent() == v.Pkg().Scope() {
			return true
		}
		for i := len(m.parent) - 2; i > 0; i-- {
			if cond, ok := m.parent[i].(*ast.IfStmt); ok && m.parent[i+1] == cond.Body && m.aboutError(cond.Cond) {
				return cond.Cond.(*ast.BinaryExpr).Op == token.NEQ
			}
		}
	case *ast.SelectorExpr:
		return true // another package's
	}
	return false
}
