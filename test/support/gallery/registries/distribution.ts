import type { Personality } from '../personality.ts';

export const distribution2: Personality = {
  name: 'distribution 2',
  sources: [
    'https://github.com/distribution/distribution/blob/release/2.8/registry/auth/htpasswd/access.go',
    'https://github.com/distribution/distribution/blob/release/2.8/registry/handlers/tags.go',
    'https://distribution.github.io/distribution/spec/api/',
  ],
  access: {
    kind: 'basic',
    realm: 'basic-realm',
    ended: { status: 401, code: 'UNAUTHORIZED', message: 'authentication required' },
  },
  unknownRepository: { status: 404, code: 'NAME_UNKNOWN', message: 'repository name not known to registry' },
  referrers: 'tag',
};

export const distribution3: Personality = {
  name: 'distribution 3 with a token server',
  sources: [
    'https://github.com/distribution/distribution/blob/main/registry/auth/token/accesscontroller.go',
    'https://distribution.github.io/distribution/spec/auth/oauth/',
    'Finsys/dockhand#1428',
  ],
  assumed: ['the token server in front of it redirects once, as one behind a reverse proxy does'],
  access: {
    kind: 'bearer',
    account: true,
    realm: '/auth/token',
    service: 'registry.example',
    lifetime: 60,
    field: 'both',
    redirect: 307,
    ended: { status: 401, code: 'UNAUTHORIZED', message: 'authentication required' },
  },
  forbidden: { status: 401, code: 'UNAUTHORIZED', message: 'authentication required' },
  unknownRepository: { status: 404, code: 'NAME_UNKNOWN' },
  blobs: { redirect: { to: 'storage', status: 307 }, signedForGetOnly: true },
  tags: { page: 10, link: 'relative' },
  referrers: 'tag',
};
