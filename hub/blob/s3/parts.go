package s3

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/zupee/memwatch/hub/blob"
)

// partialDir cannot be taken for the first two digits of a blob.
const partialDir = "partial/"

// part is what was received at once of an unfinished blob: the bytes from the
// first up to, not with, the other.
type part struct {
	key      string
	from, to int64
}

func (b *Bucket) partKey(name string, from, to int64) string {
	return fmt.Sprintf("%s%s%s/%012x-%012x", b.at.Prefix, partialDir, name, from, to)
}

// partOf is the blob that an object is a part of; "" if it is none.
func (b *Bucket) partOf(key string) string {
	rest, ok := strings.CutPrefix(key, b.at.Prefix+partialDir)
	name, _, found := strings.Cut(rest, "/")
	if !ok || !found || blob.CheckName(name) != nil {
		return ""
	}
	return name
}

// blobName is the blob that an object is, complete.
func (b *Bucket) blobName(key string) (string, bool) {
	rest, ok := strings.CutPrefix(key, b.at.Prefix)
	name := strings.Replace(rest, "/", "", 1)
	if !ok || len(rest) != len(name)+1 || rest[2] != '/' || blob.CheckName(name) != nil {
		return "", false
	}
	return name, true
}

// parsePart reads an object's name; one whose size is another is no part.
func parsePart(o minio.ObjectInfo) (part, bool) {
	p := part{key: o.Key}
	_, err := fmt.Sscanf(o.Key[strings.LastIndexByte(o.Key, '/')+1:], "%x-%x", &p.from, &p.to)
	return p, err == nil && o.Size > 0 && p.to-p.from == o.Size
}

// parts are all that was received of an unfinished blob, in order.
func (b *Bucket) parts(ctx context.Context, name string) (ps []part, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	err = b.list(ctx, partialDir+name+"/", func(o minio.ObjectInfo) {
		if p, ok := parsePart(o); ok {
			ps = append(ps, p)
		}
	})
	slices.SortFunc(ps, func(x, y part) int { return cmp.Or(cmp.Compare(x.from, y.from), cmp.Compare(x.to, y.to)) })
	return ps, err
}

// chain leaves out the parts that add nothing and those beyond a gap, and says
// how many bytes from the beginning the others give.
func chain(ps []part) (needed []part, reach int64) {
	for _, p := range ps {
		if p.from > reach {
			break
		}
		if p.to > reach {
			needed = append(needed, p)
			reach = p.to
		}
	}
	return needed, reach
}

// removeParts removes received parts, and books that.
func (b *Bucket) removeParts(ctx context.Context, name string, ps []part) error {
	if len(ps) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	var bytes int64
	keys := make(chan minio.ObjectInfo, len(ps))
	for _, p := range ps {
		keys <- minio.ObjectInfo{Key: p.key}
		bytes += p.to - p.from
	}
	close(keys)
	for e := range b.client.RemoveObjects(ctx, b.at.Bucket, keys, minio.RemoveObjectsOptions{}) {
		if e.Err != nil && !isMissing(e.Err) {
			return fmt.Errorf("remove parts of %s: %w", name, b.explain(e.Err))
		}
	}
	b.book(0, -bytes)
	return nil
}
