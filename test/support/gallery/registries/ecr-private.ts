import type { Personality } from '../personality.ts';

export const ecrPrivate: Personality = {
  name: 'ECR, private',
  sources: [
    'awslabs/amazon-ecr-credential-helper#7',
    'awslabs/soci-snapshotter#1148',
    'https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html',
  ],
  assumed: ['an account without a right to a repository gets 403 DENIED'],
  access: {
    kind: 'basic',
    realm: 'https://123456789012.dkr.ecr.eu-west-1.amazonaws.com/',
    ended: {
      status: 403,
      code: 'DENIED',
      message: 'Your authorization token has expired. Reauthenticate and try again.',
    },
  },
  forbidden: { status: 403, code: 'DENIED', message: 'User is not authorized to perform: ecr:BatchGetImage' },
  unknownRepository: { status: 404, code: 'NAME_UNKNOWN' },
  blobs: { redirect: { to: 'storage', status: 307 }, digestHeader: false },
  tags: { page: 10, link: 'relative' },
  referrers: 'api',
};
