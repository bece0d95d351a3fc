package detector

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"
	"unsafe"
)

var timeType = reflect.TypeFor[time.Time]()

// writable is a field that reflection may read and set although it is not exported.
func writable(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem() //nolint:gosec // G103: our own structs, addressable
}

// encoder writes values one after the other, without their types.
type encoder struct {
	out     []byte
	strings map[string]int // those written, by number
}

func (e *encoder) uint(x uint64) { e.out = binary.AppendUvarint(e.out, x) }

// value writes v. What a pointer points to is written as if it were there.
func (e *encoder) value(v reflect.Value) {
	if v.CanAddr() {
		v = writable(v)
	}
	if v.Type() == timeType {
		t := v.Interface().(time.Time) //nolint:forcetypeassert // just asked
		e.out = binary.AppendVarint(e.out, t.Unix())
		e.uint(uint64(t.Nanosecond()))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		e.out = append(e.out, 0)
		if v.Bool() {
			e.out[len(e.out)-1] = 1
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.out = binary.AppendVarint(e.out, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		e.uint(v.Uint())
	case reflect.Float32:
		e.out = binary.LittleEndian.AppendUint32(e.out, math.Float32bits(float32(v.Float())))
	case reflect.Float64:
		e.out = binary.LittleEndian.AppendUint64(e.out, math.Float64bits(v.Float()))
	case reflect.String:
		e.string(v.String())
	case reflect.Struct:
		for i := range v.NumField() {
			e.value(v.Field(i))
		}
	case reflect.Array:
		e.list(v)
	case reflect.Slice:
		if v.IsNil() {
			e.uint(0)
			return
		}
		e.uint(uint64(v.Len()) + 1)
		e.list(v)
	case reflect.Map:
		e.table(v)
	case reflect.Pointer:
		e.out = append(e.out, 0)
		if !v.IsNil() {
			e.out[len(e.out)-1] = 1
			e.value(v.Elem())
		}
	default:
		panic(fmt.Sprintf("a snapshot cannot hold a %s", v.Type()))
	}
}

func (e *encoder) list(v reflect.Value) {
	for i := range v.Len() {
		e.value(v.Index(i))
	}
}

// table writes a map in the order of its keys.
func (e *encoder) table(v reflect.Value) {
	if v.IsNil() {
		e.uint(0)
		return
	}
	e.uint(uint64(v.Len()) + 1)
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		if a.Kind() == reflect.String {
			return cmp.Compare(a.String(), b.String())
		}
		return cmp.Compare(a.Uint(), b.Uint())
	})
	slot := reflect.New(v.Type().Elem()).Elem()
	for _, k := range keys {
		e.value(k)
		slot.Set(v.MapIndex(k))
		e.value(slot)
	}
}

// string writes each string once, and afterwards its number.
func (e *encoder) string(s string) {
	if n, known := e.strings[s]; known {
		e.uint(uint64(n) + 1)
		return
	}
	e.strings[s] = len(e.strings)
	e.uint(0)
	e.uint(uint64(len(s)))
	e.out = append(e.out, s...)
}

// decoder reads what an encoder wrote. It panics when the bytes do not fit.
type decoder struct {
	in      []byte
	strings []string
	now     time.Time
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.in)) {
		panic("cut off")
	}
	b := d.in[:n]
	d.in = d.in[n:]
	return b
}

func (d *decoder) uint() uint64 {
	x, n := binary.Uvarint(d.in)
	if n <= 0 {
		panic("cut off")
	}
	d.in = d.in[n:]
	return x
}

func (d *decoder) int() int64 {
	x, n := binary.Varint(d.in)
	if n <= 0 {
		panic("cut off")
	}
	d.in = d.in[n:]
	return x
}

// length reads how many elements there are, -1 for nil; each takes a byte at least.
func (d *decoder) length() int {
	n := d.uint()
	if n > uint64(len(d.in))+1 {
		panic("cut off")
	}
	return int(n) - 1
}

func (d *decoder) value(v reflect.Value) {
	v = writable(v)
	if v.Type() == timeType {
		d.time(v.Addr().Interface().(*time.Time)) //nolint:forcetypeassert // just asked
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(d.take(1)[0] != 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(d.int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(d.uint())
	case reflect.Float32:
		v.SetFloat(float64(math.Float32frombits(binary.LittleEndian.Uint32(d.take(4)))))
	case reflect.Float64:
		v.SetFloat(math.Float64frombits(binary.LittleEndian.Uint64(d.take(8))))
	case reflect.String:
		v.SetString(d.string())
	case reflect.Struct:
		for i := range v.NumField() {
			d.value(v.Field(i))
		}
	case reflect.Array:
		d.list(v)
	case reflect.Slice:
		if n := d.length(); n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			d.list(v)
		}
	case reflect.Map:
		d.table(v)
	case reflect.Pointer:
		if d.take(1)[0] != 0 {
			v.Set(reflect.New(v.Type().Elem()))
			d.value(v.Elem())
		}
	default:
		panic(fmt.Sprintf("a snapshot cannot hold a %s", v.Type()))
	}
}

func (d *decoder) list(v reflect.Value) {
	for i := range v.Len() {
		d.value(v.Index(i))
	}
}

func (d *decoder) table(v reflect.Value) {
	n := d.length()
	if n < 0 {
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), n))
	for range n {
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		d.value(key)
		d.value(elem)
		v.SetMapIndex(key, elem)
	}
}

func (d *decoder) string() string {
	if n := d.uint(); n > 0 {
		return d.strings[n-1]
	}
	s := string(d.take(d.uint()))
	d.strings = append(d.strings, s)
	return s
}

// time reads a time and tells it by the clock of now.
func (d *decoder) time(t *time.Time) {
	seconds := d.int()
	*t = time.Unix(seconds, int64(d.uint())).UTC()
	if zero := (time.Time{}); t.Equal(zero) {
		*t = zero
		return
	}
	*t = d.now.Add(t.Sub(d.now))
}
