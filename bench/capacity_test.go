package main

import (
	"os"
	"strings"
	"testing"
)

// The page must say what the constants make.
func TestTheCapacityPageIsOfTheseConstants(t *testing.T) {
	table, err := capacity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../" + capacityPage)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), table.markdown()) {
		t.Errorf("%s has another table: go run ./bench capacity writes it anew:\n%s", capacityPage, table.markdown())
	}
	costs, err := costs(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), costs.markdown()) {
		t.Errorf("%s has other costs: go run ./bench costs writes them anew:\n%s", capacityPage, costs.markdown())
	}
}
