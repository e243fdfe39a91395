import type { Personality } from '../personality.ts';

export const ecrPublic: Personality = {
  name: 'ECR Public',
  sources: [
    'aws/containers-roadmap#2835',
    'distribution/distribution#4383',
    'buildbuddy-io/buildbuddy#12566',
    'awslabs/eksdemo#68',
  ],
  assumed: ['HEAD of some blobs closes the connection; here it does so for all'],
  access: {
    kind: 'bearer',
    account: false,
    realm: '/token/',
    service: 'public.ecr.aws',
    scope: 'aws',
    lifetime: 3600,
    tellsLifetime: false,
    ended: {
      status: 400,
      code: 'DENIED',
      message: 'Your authorization token has expired.',
      challenge: false,
    },
  },
  unknownRepository: { status: 404, code: 'NAME_UNKNOWN' },
  blobs: { redirect: { to: 'storage', status: 307 }, head: 'hangUp', digestHeader: false },
  tags: { page: 10, link: 'relative' },
  referrers: 'tag',
};
