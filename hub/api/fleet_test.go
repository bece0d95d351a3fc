package api

import (
	"fmt"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

func TestReadingsOfManyInstancesAreInOrder(t *testing.T) {
	const instances, each = 2000, 50
	begin := time.UnixMilli(1767225600000)
	all := make([]Series, instances)
	for i := range all {
		all[i].Instance = fmt.Sprint(i)
		for n := range each {
			all[i].Samples = append(all[i].Samples, memwatch.Sample{Time: begin.Add(time.Duration(n)*time.Second + time.Duration(i%3)*time.Millisecond)})
		}
	}
	got := merge("shop", all)
	if len(got) != instances*each {
		t.Fatalf("%d readings", len(got))
	}
	for i := 1; i < len(got); i++ {
		if got[i].Timestamp < got[i-1].Timestamp {
			t.Fatalf("reading %d is older than the one before", i)
		}
	}
	if got[0].Instance != "0" || got[1].Instance != "3" {
		t.Errorf("those of one time are of %s and %s, want the order of the instances", got[0].Instance, got[1].Instance)
	}
}
