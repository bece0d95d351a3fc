package hub

import (
	"slices"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/wire"
)

// maxReleases is how many releases of a service are remembered, the newest.
const maxReleases = 16

// deployed notes that an instance says of itself to be of another version than
// before. A version that others run already, or that came last, is no news; one
// that comes back is.
func (s *service) deployed(i *instance, labels map[string]string, at memwatch.UnixMilli) {
	version := versionOf(labels)
	if version == "" || version == versionOf(i.labels) {
		return
	}
	for _, o := range s.instances {
		if o != i && o.status != wire.Disconnected && versionOf(o.labels) == version {
			return
		}
	}
	s.release(version, at)
}

// release notes a version's beginning; 0 is unknown.
func (s *service) release(version string, since memwatch.UnixMilli) {
	if n := len(s.releases); version == "" || n > 0 && s.releases[n-1].Version == version {
		return
	}
	s.releases = append(s.releases, api.Release{Version: version, Since: since})
	if extra := len(s.releases) - maxReleases; extra > 0 {
		s.releases = slices.Delete(s.releases, 0, extra)
	}
}
