import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readImageList } from '../../../src/airgap/image-list.ts';
import { imagesOfKubernetes } from '../../../src/airgap/kubernetes-images.ts';
import { EntrepotError } from '../../../src/errors.ts';

const refused = (work: () => unknown, message: RegExp) =>
  assert.throws(work, (error) => error instanceof EntrepotError && message.test(error.located));

describe('images of manifests of Kubernetes', () => {
  it('are those of all containers and image volumes, in any workload, each once', () => {
    const text = `
apiVersion: v1
kind: Pod
metadata: {name: a, annotations: {image: quay.io/not/this:1}}
spec:
  initContainers: [{name: i, image: "quay.io/team/init:1"}]
  containers:
  - {name: c, image: quay.io/team/app:1, env: [{name: image, value: quay.io/not/this:2}]}
  - {name: d, image: quay.io/team/app:1}
  ephemeralContainers: [{name: e, image: busybox}]
  volumes:
  - {name: v, image: {reference: "quay.io/team/data:3", pullPolicy: Always}}
  - {name: w, emptyDir: {}}
---
apiVersion: batch/v1
kind: CronJob
spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: quay.io/team/job@sha256:${'a'.repeat(64)}}]}}}}}
---
kind: List
items:
- kind: Deployment
  spec: {template: {spec: {containers: [{image: quay.io/team/web:2}]}}}
- kind: Rollout
  spec: {template: {spec: {containers: [{image: quay.io/team/rolled:2}]}}}
- kind: ConfigMap
  data: {image: quay.io/not/this:3}
`;
    assert.deepEqual(imagesOfKubernetes(text, 'x.yaml'), [
      'quay.io/team/init:1',
      'quay.io/team/app:1',
      'busybox',
      'quay.io/team/data:3',
      `quay.io/team/job@sha256:${'a'.repeat(64)}`,
      'quay.io/team/web:2',
      'quay.io/team/rolled:2',
    ]);
  });

  it('are read from JSON, too', () => {
    const list = { kind: 'PodList', items: [{ spec: { containers: [{ image: 'quay.io/team/app:1' }] } }] };
    assert.deepEqual(imagesOfKubernetes(JSON.stringify(list), 'x.json'), ['quay.io/team/app:1']);
  });

  it('are refused with their line, and a file without one is, too', () => {
    const text = 'kind: Pod\nspec:\n  containers:\n  - name: c\n    image: "{{ .Values.image }}"\n';
    refused(() => imagesOfKubernetes(text, 'chart.yaml'), /^chart\.yaml:5: the reference/);
    refused(() => imagesOfKubernetes('kind: ConfigMap\n', 'x.yaml'), /^x\.yaml: names no image/);
  });
});

describe('a list of images', () => {
  it('has references and globs, with comments and empty lines', () => {
    const text = '# all of it\r\nquay.io/team/app:1  # one\r\n\n  quay.io/team/**\n';
    assert.deepEqual(readImageList(text, 'list'), ['quay.io/team/app:1', 'quay.io/team/**']);
  });

  it('is refused with the line that is wrong', () => {
    refused(() => readImageList('alpine\nUPPER/x:1\n', 'list'), /^list:2: the reference/);
  });
});
