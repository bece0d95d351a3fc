package capture

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/schematest"
)

var update = flag.Bool("update", false, "write docs/schemas anew")

func TestTheSchemaOfAManifestIsFresh(t *testing.T) {
	schematest.Fresh(t, *update, "manifest.schema.json", schematest.Of[manifest](t, "manifest.json of a folder of evidence"))
}

func TestAManifestFitsItsSchema(t *testing.T) {
	s := openStore(t, testConfig(t), nil)
	for i, role := range []memwatch.Role{memwatch.RoleBaseline, memwatch.RoleLeaking} {
		e := evidence(t, role, time.Duration(i)*time.Minute, i)
		e.Build = map[string]string{"version": "v1.2.3"}
		b, err := s.Save(e)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(b.Dir, manifestFile))
		if err != nil {
			t.Fatal(err)
		}
		schematest.Fits(t, "manifest.schema.json", raw)
	}
}
