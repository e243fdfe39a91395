/** Parts of pages: what they make of their values, and of hostile ones. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { html } from 'hono/html';
import type { View } from '../../../src/dashboard/page.ts';
import { chart } from '../../../src/dashboard/parts/chart.ts';
import { firstRows } from '../../../src/dashboard/parts/first-rows.ts';
import { createFormat } from '../../../src/dashboard/parts/format.ts';
import { buttonForm } from '../../../src/dashboard/parts/forms.ts';
import { link } from '../../../src/dashboard/parts/html.ts';
import { bar, imageLink, when } from '../../../src/dashboard/parts/signs.ts';
import { table } from '../../../src/dashboard/parts/table.ts';
import { trailList } from '../../../src/dashboard/parts/trail.ts';
import { createSharedParts } from '../../../src/dashboard/shared-parts.ts';
import { en } from '../../../src/dashboard/texts/en.ts';
import { createManualClock } from '../../support/clock.ts';

const hostile = '"><script>alert(1)</script>&';
const escaped = '&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;';
const clock = createManualClock(Date.UTC(2026, 0, 1, 12));
const view = { texts: en, format: createFormat(en.format), clock } as unknown as View;

describe('an address', () => {
  it('leaves out what is empty, and encodes the rest', () => {
    assert.equal(link(''), '/ui');
    assert.equal(link('images', { q: '', state: undefined }), '/ui/images');
    assert.equal(link('image', { reference: 'a/b:1&x=" ' }), '/ui/image?reference=a%2Fb%3A1%26x%3D%22+');
  });
});

describe('a table', () => {
  const columns = [
    { head: 'Name', cell: (row: string) => row, form: 'name' as const },
    { head: 'Size', cell: () => html`<b>1</b>`, form: 'number' as const },
  ];

  it('heads its rows and columns, and keys its rows', () => {
    const made = String(table({ caption: 'All', columns, rows: ['one'], key: (row) => row }));
    assert.match(made, /<caption class="hidden">All<\/caption>/);
    assert.match(made, /<th scope="col" class="num">Size<\/th>/);
    assert.match(
      made,
      /<tr data-key="one"><th scope="row" class="name">one<\/th><td class="num"><b>1<\/b><\/td>/,
    );
  });

  it('escapes what rows say', () => {
    const made = String(table({ caption: hostile, columns, rows: [hostile], key: (row) => row }));
    assert.ok(!made.includes('<script'));
    assert.equal(made.split(escaped).length, 5, 'caption twice, key, cell');
  });

  it('gives way to a sentence where there are no rows', () => {
    const made = String(table({ caption: 'All', columns, rows: [], empty: 'Pull something.' }));
    assert.equal(made, '<p class="empty">Pull something.</p>');
  });
});

describe('a chart', () => {
  const times = [0, 60_000, 120_000, 180_000].map((ms) => clock.now() + ms);
  const draw = (values: readonly (number | null)[]) =>
    String(
      chart(view, {
        title: 'Requests',
        span: 'the last hour',
        times,
        lines: [{ label: 'All', tone: 'a', values, isFilled: true }],
        show: (value) => String(value),
      }),
    );

  it('reaches from the ground to its highest value, with a scale that ends at a round number', () => {
    const made = draw([0, 7, 3, 10]);
    assert.match(made, /<path class="line a" d="M0\.0 120\.0L200\.0 37\.4L400\.0 84\.6L600\.0 2\.0"\/>/);
    assert.match(made, /aria-hidden="true"><span>10<\/span><span>5<\/span><span>0<\/span>/);
  });

  it('breaks its line where nothing was measured', () => {
    assert.match(draw([2, 2, null, null]), /class="line a" d="M0\.0 [\d.]+L200\.0 [\d.]+"/);
    assert.match(draw([1, 1, null, 2]), /class="line a" d="M0\.0 [\d.]+L200\.0 [\d.]+M/);
  });

  it('draws a measurement without neighbours as a dash that lies within the plot', () => {
    assert.match(draw([null, null, null, 2]), /class="line a" d="M500\.0 ([\d.]+)L600\.0 \1"/);
    assert.match(draw([null, 2, null, null]), /class="line a" d="M100\.0 ([\d.]+)L300\.0 \1"/);
    assert.match(
      draw([2, null, null, null]),
      /class="area a" d="M0\.0 120L0\.0 ([\d.]+)L100\.0 \1L100\.0 120Z"/,
    );
  });

  it('says its last value to a screen reader, and shows all in a table, newest first', () => {
    const made = draw([1, 2, 3, 4]);
    assert.match(made, /role="img" aria-label="Requests, the last hour\. All: 4"/);
    const cells = [...made.matchAll(/<td class="num">(\d)<\/td>/g)].map(([, value]) => value);
    assert.deepEqual(cells, ['4', '3', '2', '1']);
  });

  it('has a scale without any value, too', () => {
    assert.match(draw([null, null, null, null]), /<span>10<\/span><span>5<\/span><span>0<\/span>/);
  });
});

describe('a bar', () => {
  it('never leaves its frame, warns when it is nearly full, and is empty for a whole of nothing', () => {
    const width = (part: number, whole: number) =>
      /class="part" width="([\d.]+)"/.exec(String(bar(part, whole, 'x')))?.[1];
    assert.deepEqual(
      [width(1, 4), width(9, 4), width(-1, 4), width(1, 0)],
      ['25.00', '100.00', '0.00', '0.00'],
    );
    const tone = (part: number) => /class="bar (\w+)"/.exec(String(bar(part, 100, 'x')))?.[1];
    assert.deepEqual([tone(80), tone(85), tone(95)], ['ok', 'warn', 'bad']);
  });
});

describe('what names an image, a time or a trail', () => {
  it('leads to the page of a tag or digest, and shows the tag', () => {
    assert.match(String(imageLink('ex.test/app', '1')), /href="\/ui\/image\?reference=ex\.test%2Fapp%3A1"/);
    assert.match(String(imageLink('ex.test/app', 'sha256:ab')), /reference=ex\.test%2Fapp%40sha256%3Aab"/);
    assert.ok(!String(imageLink(hostile, hostile)).includes('<script'));
  });

  it('says how long ago it was, with the exact time beside it', () => {
    const made = String(when(view, '2026-01-01T11:00:00.000Z'));
    assert.match(made, /title="2026-01-01 11:00:00 UTC">1 h ago</);
    assert.match(String(when(view, null)), /–/);
  });

  it('lists the endpoints in order, with their outcomes and reasons as text', () => {
    const made = String(
      trailList(view, [
        { endpoint: 'm.test/app', role: 'mirror', outcome: 'unreachable', reason: hostile, ms: 3 },
        { endpoint: 's.test/app', role: 'source', outcome: 'ok', ms: 1200 },
      ]),
    );
    assert.match(made, /<li class="bad">.*m\.test\/app[\s\S]*<li class="ok">.*s\.test\/app[\s\S]*1\.2 s/);
    assert.ok(!made.includes('<script'));
  });
});

describe('a button that acts', () => {
  it('sends its fields to its action, and says what it is about', () => {
    const made = String(
      buttonForm({
        page: 'jobs',
        action: 'retry',
        query: { state: 'failed' },
        fields: { id: hostile },
        label: 'Retry',
        about: 'job 1',
      }),
    );
    assert.match(made, /method="post" action="\/ui\/jobs\/retry\?state=failed"/);
    assert.ok(made.includes(`name="id" value="${escaped}"`));
    assert.match(made, /aria-label="Retry: job 1">Retry</);
  });
});

describe('a long list', () => {
  it('is read no further than one row beyond what is shown', async () => {
    let read = 0;
    async function* rows() {
      for (;;) yield read++;
    }
    assert.deepEqual(await firstRows(rows(), 3), { rows: [0, 1, 2], hasMore: true });
    assert.equal(read, 4);
  });
});

describe('a part that viewers share', () => {
  it('is made once a second for each key, however many look', async () => {
    const time = createManualClock();
    const shared = createSharedParts(time);
    let made = 0;
    const make = async (key: string) => {
      made += 1;
      return `${key} ${made}`;
    };
    const look = async (key: string) => Buffer.from(await shared(key, () => make(key))).toString();
    assert.deepEqual(await Promise.all([look('a'), look('a'), look('b')]), ['a 1', 'a 1', 'b 2']);
    await time.advance(1000);
    assert.equal(await look('a'), 'a 3');
  });

  it('is made anew after it has failed', async () => {
    const shared = createSharedParts(createManualClock());
    await assert.rejects(
      shared('a', () => Promise.reject(new Error('no'))),
      /no/,
    );
    assert.equal(Buffer.from(await shared('a', async () => 'yes')).toString(), 'yes');
  });
});
