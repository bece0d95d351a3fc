// Package s3 keeps blobs in a bucket of an S3-compatible object store, for hubs
// that are several: it holds nothing that the others need to know.
//
// The layout is that of blob.Files. The blob abcd… is the object ab/cd… under the
// prefix. Each part that was received of an unfinished one is an object of its
// own, partial/abcd…/FROM-TO, so that a part costs one request whatever its size
// (S3's own multipart uploads want 5 MiB at least), and so that any hub goes on
// where another stopped. Parts that overlap, as when an agent moved to another
// hub in the middle, agree in what they share or fail the check in the end.
//
// What may enter: names that are a SHA-256, and bytes. What leaves: bytes whose
// SHA-256 is their name: an object under its final name is complete and checked,
// because the upload that makes it breaks off before its last byte when the sum
// is another. Credentials come from where the AWS tools look for them, never from
// a URL, and are never logged.
package s3
