package memwatch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// elsewhere are folders whose messages no user of the programs sees.
var elsewhere = []string{"ui", "e2e", "bench", "eval", "examples", "tools", "memwatchtest", "bin", ".git", "hub/blob/blobtest", "hub/store/storetest", "internal/pgtest"}

// words of the code that docs/troubleshoot.md explains: by file, the type or the
// beginning of the names of the constants.
var explained = map[string]string{"scraper/errors.go": "Reason", "hub/ingest/check.go": "code"}

// TestEveryMessageIsExplained collects what the programs say when something is
// wrong: errors with fixed words, log lines that warn, reasons and codes.
func TestEveryMessageIsExplained(t *testing.T) {
	b, err := os.ReadFile("docs/troubleshoot.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, m := range regexp.MustCompile("``([^|]+?) ?``|`([^`|]+)`").FindAllStringSubmatch(string(b), -1) {
		told = append(told, m[1]+m[2])
	}
	said := map[string]string{}
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains(elsewhere, filepath.ToSlash(path)) || d.Name() == "node_modules"):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, m := range messages(f, explained[filepath.ToSlash(path)]) {
			said[m] = path
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(said) < 100 {
		t.Errorf("only %d messages were found: is the code still read?", len(said))
	}
	for m, path := range said {
		if !slices.Contains(told, m) {
			t.Errorf("%s says %q: docs/troubleshoot.md does not say why, and what to do", path, m)
		}
	}
}

// messages are a file's errors of fixed words, its log lines that warn, and the
// constants of a type, or whose names begin so.
func messages(f *ast.File, constants string) (out []string) {
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil {
				out = append(out, strings.TrimSpace(s))
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl: // errors made in functions name what they are about
			ast.Inspect(n, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) == 0 {
					return true
				}
				if fun, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Warn", "Error"}, fun.Sel.Name) {
					add(call.Args[0])
				}
				return true
			})
			return false
		case *ast.ValueSpec:
			for i, v := range n.Values {
				if call, ok := v.(*ast.CallExpr); ok {
					if fun, ok := call.Fun.(*ast.SelectorExpr); ok && fun.Sel.Name == "New" && isNamed(fun.X, "errors") {
						add(call.Args[0])
					}
				}
				if constants != "" && (isNamed(n.Type, constants) || strings.HasPrefix(n.Names[i].Name, constants)) {
					add(v)
				}
			}
		}
		return true
	})
	return out
}

func isNamed(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}
