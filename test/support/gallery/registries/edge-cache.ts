import type { Personality } from '../personality.ts';

export const headlessFirewall: Personality = {
  name: 'A firewall that knows no HEAD',
  sources: ['distribution/distribution#4383', 'distribution/distribution#1961'],
  assumed: ['HEAD is refused with 403 for manifests and blobs, and no digest is named in a header'],
  access: { kind: 'open' },
  unknownRepository: { status: 404, code: 'NAME_UNKNOWN' },
  manifests: { head: { status: 403, body: 'Forbidden' }, digestHeader: 'never', chunked: true },
  blobs: { head: { status: 403, body: 'Forbidden' }, digestHeader: false, contentType: 'application/gzip' },
  tags: { page: 10, link: 'absolute' },
  referrers: 'unfiltered',
};
