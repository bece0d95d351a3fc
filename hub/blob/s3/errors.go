package s3

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"

	"github.com/zupee/memwatch/hub/blob"
)

// ErrRefused: the store is there and will not do what it is asked, until somebody
// changes something.
var ErrRefused = errors.New("the object store refuses")

// isMissing tells that there is no such object; without a bucket there is more missing.
func isMissing(err error) bool {
	if err == nil {
		return false
	}
	e := minio.ToErrorResponse(err)
	return e.Code == minio.NoSuchKey || e.StatusCode == http.StatusNotFound && e.Code != minio.NoSuchBucket
}

// explain says what is to be done about an error of the library.
func (b *Bucket) explain(err error) error {
	if err == nil || errors.Is(err, blob.ErrMismatch) || errors.Is(err, ErrRefused) || errors.Is(err, blob.ErrFull) {
		return err
	}
	e := minio.ToErrorResponse(err)
	switch {
	case e.Code == minio.NoSuchBucket:
		return fmt.Errorf("%w: there is no bucket %q at %s: create it, or name another (blobs)", ErrRefused, b.at.Bucket, b.at.Host)
	case e.Code == "InvalidAccessKeyId" || e.Code == "XAdminUserNotFound":
		return fmt.Errorf("%w: %s does not know the access key: check AWS_ACCESS_KEY_ID or ~/.aws/credentials", ErrRefused, b.at.Host)
	case e.Code == "SignatureDoesNotMatch":
		return fmt.Errorf("%w: the secret key is not the one that %s knows: check AWS_SECRET_ACCESS_KEY or ~/.aws/credentials, and the region %s (region=)", ErrRefused, b.at.Host, b.at.Region)
	case e.Code == "RequestTimeTooSkewed":
		return fmt.Errorf("%w: the clock of this machine and that of %s differ: set it", ErrRefused, b.at.Host)
	case e.Code == "AccessDenied" || e.StatusCode == http.StatusForbidden || e.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w: the credentials may not use bucket %q (%s): allow s3:ListBucket, and s3:GetObject, s3:PutObject and s3:DeleteObject under %q",
			ErrRefused, b.at.Bucket, e.Code, b.at.Prefix+"*")
	case e.StatusCode == http.StatusMovedPermanently || e.Code == "PermanentRedirect" || e.Code == "AuthorizationHeaderMalformed":
		return fmt.Errorf("%w: bucket %q is not in region %s (%s): name its region in the URL (region=)", ErrRefused, b.at.Bucket, b.at.Region, e.Message)
	case e.StatusCode == http.StatusInsufficientStorage || e.Code == "XMinioStorageFull" || e.Code == "QuotaExceeded" || e.Code == "XMinioAdminBucketQuotaExceeded":
		return fmt.Errorf("object store: %w: %w", blob.ErrFull, err)
	case e.StatusCode == 0: // there was no answer
		return fmt.Errorf("the object store at %s cannot be reached: %w", b.at.Host, err)
	case e.StatusCode/100 == 4 && e.StatusCode != http.StatusTooManyRequests && e.StatusCode != http.StatusRequestTimeout:
		return fmt.Errorf("%w: %s answered %s: %s", ErrRefused, b.at.Host, e.Code, e.Message)
	}
	return fmt.Errorf("object store at %s: %w", b.at.Host, err)
}
