import type { Personality } from '../personality.ts';

export const quay: Personality = {
  name: 'Quay',
  sources: [
    'deitch/docker_registry2#106',
    'google/go-containerregistry#794',
    'opencontainers/distribution-spec#563',
    'https://docs.projectquay.io/api_quay.html',
  ],
  assumed: [
    'an account without a right gets 401 with a challenge, and so does a repository that does not exist',
  ],
  access: {
    kind: 'bearer',
    account: false,
    realm: '/v2/auth',
    service: 'quay.io',
    lifetime: 3600,
    tellsLifetime: false,
    ended: { status: 401, code: 'UNAUTHORIZED', message: 'token has expired' },
  },
  forbidden: {
    status: 401,
    code: 'UNAUTHORIZED',
    message: 'access to the requested resource is not authorized',
  },
  unknownRepository: 'asForbidden',
  manifests: { digestHeader: 'always' },
  blobs: { redirect: { to: 'storage', status: 302 }, signedForGetOnly: true, digestHeader: false },
  tags: { page: 10, link: 'relative' },
  referrers: 'api',
};
