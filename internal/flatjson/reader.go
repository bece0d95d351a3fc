// Package flatjson reads JSON of the plain form that our own encoders write: no
// white space, no escapes, numbers of moderate length. That form is most of what a
// hub reads, and this reads it some ten times faster than encoding/json. Of
// everything else, valid or not, it says no, and the caller begins again with
// encoding/json: what it takes, it takes as encoding/json would.
package flatjson

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// Reader walks over a text. When a method reports false, the text is not of the
// plain form, and the reader is of no more use.
type Reader struct {
	text []byte
	at   int
}

// New makes a reader of text, which must not change meanwhile.
func New(text []byte) Reader { return Reader{text: text} }

// End reports whether all was read.
func (r *Reader) End() bool { return r.at == len(r.text) }

// Next takes a byte, if it is the next one.
func (r *Reader) Next(c byte) bool {
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

// Peek is the next byte, 0 at the end.
func (r *Reader) Peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

// Object takes an object; field takes the value after each name.
func (r *Reader) Object(field func(name []byte) bool) bool {
	if !r.Next('{') {
		return false
	}
	if r.Next('}') {
		return true
	}
	for {
		name, ok := r.String()
		if !ok || !r.Next(':') || !field(name) {
			return false
		}
		if !r.Next(',') {
			return r.Next('}')
		}
	}
}

// Array takes an array; element takes each.
func (r *Reader) Array(element func() bool) bool {
	if !r.Next('[') {
		return false
	}
	if r.Next(']') {
		return true
	}
	for element() {
		if !r.Next(',') {
			return r.Next(']')
		}
	}
	return false
}

// String takes a string without escapes; the bytes are part of the text.
func (r *Reader) String() ([]byte, bool) {
	if !r.Next('"') {
		return nil, false
	}
	ascii := true
	for i := r.at; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '"':
			s := r.text[r.at:i]
			r.at = i + 1
			return s, ascii || utf8.Valid(s)
		case c == '\\' || c < ' ':
			return nil, false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, false
}

// Bool takes true or false.
func (r *Reader) Bool() (value, ok bool) {
	rest := r.text[r.at:]
	switch {
	case bytes.HasPrefix(rest, []byte("true")):
		r.at += 4
		return true, true
	case bytes.HasPrefix(rest, []byte("false")):
		r.at += 5
		return false, true
	}
	return false, false
}

// powers are the powers of ten that a float64 holds exactly.
var powers = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// Number takes a number.
func (r *Reader) Number() (float64, bool) {
	start := r.at
	negative := r.Next('-')
	mantissa, whole := r.digits(0)
	if whole == 0 || whole > 1 && r.text[r.at-whole] == '0' {
		return 0, false
	}
	fraction := 0
	if r.Next('.') {
		if mantissa, fraction = r.digits(mantissa); fraction == 0 {
			return 0, false
		}
	}
	exponent := r.Peek() == 'e' || r.Peek() == 'E'
	if exponent {
		r.at++
		if !r.Next('+') {
			r.Next('-')
		}
		if _, n := r.digits(0); n == 0 {
			return 0, false
		}
	}
	if negative || exponent || whole+fraction > 15 {
		v, err := strconv.ParseFloat(string(r.text[start:r.at]), 64)
		return v, err == nil
	}
	// Both are exact, so that the quotient is the float64 next to the number.
	return float64(mantissa) / powers[fraction], true
}

// digits takes as many as there are, and continues a number with them; from the
// 19th on it is no longer that number.
func (r *Reader) digits(number uint64) (_ uint64, n int) {
	for r.at < len(r.text) {
		c := r.text[r.at] - '0'
		if c > 9 {
			break
		}
		number = number*10 + uint64(c)
		n++
		r.at++
	}
	return number, n
}

// Value passes over an object and returns it unread: it may be no JSON at all.
func (r *Reader) Value() ([]byte, bool) {
	if n := flat(r.text[r.at:]); n > 0 {
		r.at += n
		return r.text[r.at-n : r.at], true
	}
	start, depth := r.at, 0
	for i := r.at; i < len(r.text); i++ {
		switch r.text[i] {
		case '"':
			for i++; i < len(r.text) && r.text[i] != '"'; i++ {
				if r.text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				r.at = i + 1
				return r.text[start:r.at], true
			}
		}
		if depth == 0 {
			return nil, false
		}
	}
	return nil, false
}

// flat is the length of the object in front, if nothing is nested or escaped in it.
func flat(text []byte) int {
	n := bytes.IndexByte(text, '}') + 1
	if n < 2 || text[0] != '{' {
		return 0
	}
	object := text[1:n]
	if bytes.IndexByte(object, '{') >= 0 || bytes.IndexByte(object, '[') >= 0 || bytes.IndexByte(object, '\\') >= 0 ||
		bytes.Count(object, []byte{'"'})%2 != 0 { // the brace is in a string
		return 0
	}
	return n
}
