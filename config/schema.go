package config

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// Schema writes a JSON Schema of the file, made from the types it is read
// into, for editors and for checks in a pipeline.
func Schema() ([]byte, error) {
	s := schemaOf(field{typ: reflect.TypeFor[Config]()}, reflect.ValueOf(Default()))
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "memwatchd configuration"
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return append(b, '\n'), nil
}

type schema = map[string]any

const (
	durationPattern = `^-?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$`
	sizePattern     = `^[0-9]+(\.[0-9]+)? ?([kKMGT]i?B?|B)?$`
)

// schemaOf describes one key; def is its default.
func schemaOf(f field, def reflect.Value) schema {
	s := schema{}
	switch t := f.typ; {
	case t == durationType:
		s["type"], s["pattern"], s["examples"] = "string", durationPattern, []string{"10s", "1m30s"}
		if f.tag.Get("bare") == "ms" {
			s["type"] = []string{"string", "number"}
		}
	case f.size:
		s["type"], s["pattern"], s["examples"] = []string{"string", "integer"}, sizePattern, []string{"50MiB"}
	case t.Kind() == reflect.Struct:
		properties := schema{}
		for i, p := range fieldsOf(t) {
			properties[p.key] = schemaOf(p, valuesOf(def)[i].v)
		}
		return schema{"type": "object", "additionalProperties": false, "properties": properties}
	case t.Kind() == reflect.Slice:
		item := reflect.Zero(t.Elem())
		switch t.Elem() {
		case reflect.TypeFor[Target]():
			item = reflect.ValueOf(DefaultTarget())
		case reflect.TypeFor[Discovery]():
			item = reflect.ValueOf(DefaultDiscovery())
		}
		return schema{"type": "array", "items": schemaOf(field{typ: t.Elem()}, item)}
	case t.Kind() == reflect.Map:
		return schema{"type": "object", "additionalProperties": schema{"type": "string"}}
	case t.Kind() == reflect.Bool:
		s["type"] = "boolean"
	case t.Kind() == reflect.Float64:
		s["type"] = "number"
	case t.Kind() == reflect.String:
		s["type"] = "string"
	default:
		s["type"] = "integer"
	}
	if help := f.tag.Get("help"); help != "" {
		s["description"] = help
	}
	s["default"] = plainDefault(f, def)
	return s
}

func plainDefault(f field, def reflect.Value) any {
	n, err := value{f, def}.node()
	if err != nil || f.typ == durationType || f.size {
		return n.Value
	}
	return def.Interface()
}
