package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// The cost of a password's hash: OWASP's first choice for argon2id.
const (
	argonMemoryKiB = 19 * 1024
	argonTime      = 2
	argonThreads   = 1
	argonBytes     = 32
)

// hashing bounds the hashes made at once, as each takes 19 MiB.
var hashing = make(chan struct{}, 2)

const (
	minPassword = 10
	maxPassword = 200
)

// CheckPassword says what is wrong with a new password.
func CheckPassword(password string) error {
	if n := utf8.RuneCountInString(password); n < minPassword || n > maxPassword {
		return fmt.Errorf("password: %d characters are not allowed: want %d to %d", n, minPassword, maxPassword)
	}
	return nil
}

func hashPassword(ctx context.Context, password string) (string, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	key, err := derive(ctx, password, salt, argonMemoryKiB, argonTime, argonThreads, argonBytes)
	if err != nil {
		return "", err
	}
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemoryKiB, argonTime, argonThreads,
		enc.EncodeToString(salt), enc.EncodeToString(key)), nil
}

func derive(ctx context.Context, password string, salt []byte, memory, time uint32, threads uint8, size int) ([]byte, error) {
	select {
	case hashing <- struct{}{}:
		defer func() { <-hashing }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return argon2.IDKey([]byte(password), salt, time, memory, threads, uint32(size)), nil
}

var errHash = errors.New("a password's hash in the database is damaged")

// matches checks a password, in time that does not depend on it.
func matches(ctx context.Context, hash, password string) (bool, error) {
	var version int
	var memory, time uint32
	var threads uint8
	var rest string
	if n, err := fmt.Sscanf(hash, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &memory, &time, &threads, &rest); err != nil || n != 5 {
		return false, errHash
	}
	salt, want, err := splitHash(rest)
	if err != nil || version != argon2.Version {
		return false, errHash
	}
	got, err := derive(ctx, password, salt, memory, time, threads, len(want))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

func splitHash(s string) (salt, key []byte, err error) {
	for i := range s {
		if s[i] != '$' {
			continue
		}
		enc := base64.RawStdEncoding
		salt, err = enc.DecodeString(s[:i])
		if err == nil {
			key, err = enc.DecodeString(s[i+1:])
		}
		return salt, key, err
	}
	return nil, nil, errHash
}
