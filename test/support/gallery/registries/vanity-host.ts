import type { Personality } from '../personality.ts';

export const vanityHost: Personality = {
  name: 'Vanity host (lscr.io)',
  sources: [
    'rpardini/docker-registry-proxy#158',
    'getwud/wud#143',
    'containerd/containerd#5503',
    'google/go-containerregistry#2333',
    'tektoncd/plumbing#2340',
  ],
  assumed: ['every request is redirected to the registry behind it, and `/v2/` too'],
  access: {
    kind: 'bearer',
    account: false,
    realm: '/token',
    service: 'ghcr.io',
    lifetime: 300,
    tellsLifetime: false,
    ended: { status: 401, code: 'UNAUTHORIZED' },
  },
  vanity: { status: 307 },
  forbidden: { status: 401, code: 'UNAUTHORIZED' },
  unknownRepository: 'asForbidden',
  blobs: { redirect: { to: 'storage', status: 307 }, digestHeader: false },
  tags: { page: 10, link: 'relative' },
  referrers: 'tag',
};
