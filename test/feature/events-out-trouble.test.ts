/** Sinks that are away, slow, hostile or done: pushes do not notice, and every event arrives in the end. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { systemClock } from '../../src/lib/clock.ts';
import { createCertificateAuthority } from '../support/certificates.ts';
import { createManualClock } from '../support/clock.ts';
import { runCommand } from '../support/commands.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { startEventReceiver } from '../support/event-receiver.ts';
import { eventually } from '../support/eventually.ts';
import { get } from '../support/http-client.ts';
import { image, rules, secret, sinkOf, startWithSink } from '../support/sink-app.ts';

const deps = { clock: systemClock };
const sink = 'format = "cloudevents"\nsecret_file = "secret"\ntimeout = "1s"';

/** Writes a byte of the head now and then, and never ends it. */
function drip({ socket }: ServerResponse): void {
  socket?.write('HTTP/1.1 200 OK\r\nX-Slow: ');
  const timer = setInterval(() => socket?.write('a'), 50);
  socket?.on('close', () => clearInterval(timer));
}

describe('a sink', () => {
  const faults: readonly (readonly [string, number | ((answer: ServerResponse) => void), RegExp])[] = [
    ['answers 500', 500, /^HTTP 500$/],
    ['redirects', (answer) => answer.writeHead(307, { location: '/elsewhere' }).end(), /^HTTP 307$/],
    ['says nothing', () => {}, /^no answer within 1 s$/],
    ['sends its head byte by byte', drip, /^no answer within 1 s$/],
    ['closes the connection', ({ socket }) => void socket?.destroy(), /^connection closed/],
    ['speaks no HTTP', ({ socket }) => void socket?.end('hello\r\n\r\n'), /./],
  ];
  for (const [what, answering, reason] of faults) {
    it(`that ${what} gets the event again`, async (t) => {
      const { receiver, app, push } = await startWithSink(t, { sink, deps });
      receiver.answer(() => answering);
      await push('1', 'config');
      const line = await eventually('a try failed', () =>
        app.log.find(({ event }) => event === 'events.failed'),
      );
      assert.match(String(line.reason), reason);
      receiver.answer(() => 200);
      const [{ event, path } = assert.fail()] = await receiver.took(1);
      assert.equal(path, '/hook', 'no redirect is followed');
      assert.equal(event.id, receiver.received[0]!.event.id);
    });
  }

  it('that is slow gets each event once, over a kept connection too', async (t) => {
    const clock = createManualClock(Date.now());
    const slow = 'format = "cloudevents"\ntimeout = "30s"';
    const { receiver, push } = await startWithSink(t, { sink: slow, deps: { clock } });
    await push('1', 'config');
    await receiver.took(1);
    const hold = Promise.withResolvers<void>();
    receiver.answer(() => (answer) => void hold.promise.then(() => answer.writeHead(200).end()));
    await push('2', 'config');
    await receiver.got(2);
    await clock.advance(10_000);
    hold.resolve();
    receiver.answer(() => 200);
    await push('3', 'config');
    await receiver.took(2);
    assert.equal(receiver.connections(), 1);
    assert.equal(receiver.received.length, 3);
  });

  it('that answers without an end has the event, and its body is not read', async (t) => {
    const { receiver, app, push } = await startWithSink(t, { sink, deps });
    let sent = 0;
    receiver.answer(() => (answer) => {
      answer.writeHead(200);
      const more = () => {
        while (!answer.destroyed && answer.write(Buffer.alloc(64 * 1024))) sent += 1;
      };
      answer.on('drain', more);
      more();
    });
    await push('1', 'config');
    await eventually('it counts as delivered', () =>
      app.log.some(({ event }) => event === 'events.delivered'),
    );
    await eventually('its connection is closed', () => receiver.connections() === 0);
    assert.ok(sent < 1000);
  });

  it('that says 429 is left alone as long as it says', async (t) => {
    const { receiver, app, push } = await startWithSink(t, { sink, deps });
    receiver.answer(() => (answer) => answer.writeHead(429, { 'retry-after': '3600' }).end());
    await push('1', 'config');
    const line = await eventually('a try failed', () =>
      app.log.find(({ event }) => event === 'events.failed'),
    );
    assert.ok(Date.parse(String(line.next)) > Date.now() + 3_500_000);
    await push('2', 'config');
    await push('3', 'config');
    assert.equal(receiver.received.length, 1);
  });

  it('that says 410 gets nothing more, until a reload', async (t) => {
    const { receiver, app, push } = await startWithSink(t, { sink, deps });
    receiver.answer(() => 410);
    await push('1', 'config');
    await eventually('it is logged', () => app.log.some(({ event }) => event === 'events.sinkGone'));
    await push('2', 'config');
    const metrics = String((await get(`${app.url}/metrics`)).body);
    assert.match(metrics, /^entrepot_events_out_sink_gone\{sink="audit"\} 1$/m);
    assert.equal(receiver.received.length, 1);
    receiver.answer(() => 200);
    await app.reload({});
    await receiver.took(2);
  });

  it('sees the secret, which no log line, metric or command shows', async (t) => {
    const { receiver, app, push } = await startWithSink(t, { sink, deps });
    receiver.answer(() => 500);
    await push('1', 'config');
    await eventually('a try failed', () => app.log.some(({ event }) => event === 'events.failed'));
    const { stdout } = await runCommand(app, 'events', 'list', '--json');
    const metrics = await get(`${app.url}/metrics`);
    assert.equal(receiver.received[0]?.headers.authorization, secret);
    const said = JSON.stringify(app.log) + stdout + metrics.body;
    assert.ok(!said.includes(secret.slice(7)), 'the secret');
    assert.ok(!said.includes('/hook'), 'the path of the URL');
    assert.match(String(metrics.body), /^entrepot_events_out_waiting\{sink="audit"\} 1$/m);
    assert.match(String(metrics.body), /^entrepot_events_out_total\{sink="audit",outcome="failed"\} \d+$/m);
  });

  it('whose secret cannot be read gets nothing, and the log says why', async (t) => {
    const { receiver, app, push } = await startWithSink(t, {
      sink: sink.replace('"secret"', '"missing"'),
      deps,
    });
    await push('1', 'config');
    const line = await eventually('a try failed', () =>
      app.log.find(({ event }) => event === 'events.failed'),
    );
    assert.match(String(line.reason), /missing: there is no such file/);
    assert.equal(receiver.received.length, 0);
  });
});

describe('a sink is reached as upstreams are', () => {
  const authority = createCertificateAuthority();
  const httpsSink = async (t: TestContext) => {
    const secure = await startEventReceiver(t, { tls: authority.issue({ hosts: ['127.0.0.1'] }) });
    return { secure, toml: `${rules}${sinkOf(secure, 'secure', 'format = "cloudevents"')}` };
  };

  it('with the CAs of the configuration', async (t) => {
    const { app, push } = await startWithSink(t, { deps });
    const { secure, toml } = await httpsSink(t);
    await app.reload({ toml });
    await push('1', 'config');
    const line = await eventually('a try failed', () =>
      app.log.find(({ event, sink: name }) => event === 'events.failed' && name === 'secure'),
    );
    assert.match(String(line.reason), /certificate of an unknown CA/);
    assert.equal(secure.received.length, 0);
    writeFileSync(join(app.folder, 'ca.pem'), authority.cert);
    await app.reload({ toml: `${toml}[upstream]\nca_file = "ca.pem"\n` });
    await secure.took(1);
  });

  it('through the proxy of its host', async (t) => {
    const { receiver, app, push } = await startWithSink(t, { deps });
    const firewall = await startConnectProxy(t);
    const { secure, toml } = await httpsSink(t);
    const { host } = new URL(secure.url);
    writeFileSync(join(app.folder, 'ca.pem'), authority.cert);
    const upstream = `[upstream]\nca_file = "ca.pem"\n[[upstream.host]]\nhost = "${host}"\nproxy = "${firewall.url}"\n`;
    await app.reload({ toml: `${toml}${upstream}` });
    await push('1', 'config');
    await secure.took(1);
    assert.deepEqual([...firewall.seen], [`CONNECT ${host} 200`]);
    assert.equal(receiver.received.length, 0);
  });

  it('not at all while upstream.offline is set: events wait', async (t) => {
    const offline = '[upstream]\noffline = true\n';
    const { receiver, app, push } = await startWithSink(t, { more: offline, deps });
    await push('1', 'config');
    const line = await eventually('a try failed', () =>
      app.log.find(({ event }) => event === 'events.failed'),
    );
    assert.equal(line.reason, 'upstream.offline is set');
    await app.reload({ toml: `${rules}${sinkOf(receiver, 'audit', 'format = "cloudevents"')}` });
    await receiver.took(1);
    assert.equal(receiver.received.length, 1);
  });
});

describe('entrepot events', () => {
  for (const isRunning of [true, false]) {
    it(`lists what waits and what is dead, and replays it, ${isRunning ? 'beside a server' : 'without a server'}`, async (t) => {
      const { receiver, app, push } = await startWithSink(t, { sink: 'format = "cloudevents"', deps });
      receiver.answer(({ event }) => ((event.data as { tag: string }).tag === '1' ? 400 : 500));
      await push('1', 'config');
      await push('2', 'config');
      await eventually('the first is dead', () => app.log.some(({ event }) => event === 'events.dead'));
      await eventually('the second was tried', () =>
        app.log.some(({ event, reason }) => event === 'events.failed' && reason === 'HTTP 500'),
      );
      if (!isRunning) await app.stop();
      const waiting = await runCommand(app, 'events', 'list', '--json');
      const [one, ...others] = waiting.json;
      assert.deepEqual(
        [one.sink, one.kind, one.about, one.tag, one.state, others],
        ['audit', 'push', image, '2', 'waiting', []],
      );
      assert.ok(Date.parse(one.next) >= Date.parse(one.since), one.next);
      const table = await runCommand(app, 'events', 'list');
      assert.match(
        table.stdout,
        /^SINK .* NEXT +WHY\naudit +push +images.local\/team\/app:2 +\S+ \S+ +\d+ +\d{4}-\S+ \S+Z +HTTP 500\n$/,
      );
      const dead = await runCommand(app, 'events', 'list', '--dead');
      assert.match(
        dead.stdout,
        /^SINK +KIND +ABOUT +AT +TRIES +NEXT +WHY\naudit +push +images.local\/team\/app:1 +\S+ \S+ +3 +none +HTTP 400\n$/,
      );
      const none = await runCommand(app, 'events', 'list', '--dead', '--sink', 'other');
      assert.equal(none.stdout, 'no such events\n');
      const isEmpty = async () => (await runCommand(app, 'events', 'list')).stdout === 'no such events\n';
      receiver.answer(() => 200);
      const replayed = await runCommand(app, 'events', 'replay', '--dead');
      assert.deepEqual([replayed.code, replayed.stdout], [0, '1 event due now\n']);
      const all = await runCommand(
        app,
        'events',
        'replay',
        '--sink',
        'audit',
        '--since',
        '2020-01-01T00:00:00Z',
      );
      assert.equal(all.code, 0);
      if (isRunning) {
        await receiver.took(2);
        await eventually('both are delivered', isEmpty);
        const again = await runCommand(
          app,
          'events',
          'replay',
          '--sink',
          'audit',
          '--since',
          '2020-01-01T00:00:00Z',
        );
        assert.equal(again.stdout, '2 events due now\n');
        await receiver.took(4);
        await eventually('both are delivered again', isEmpty);
      }
      for (const wrong of [
        [],
        ['--sink', 'audit'],
        ['--dead', '--since', '2020-01-01'],
        ['--since', '2020-01-01'],
      ])
        assert.equal((await runCommand(app, 'events', 'replay', ...wrong)).code, 2);
      const unknown = await runCommand(app, 'events', 'replay', '--sink', 'x', '--since', '2020-01-01');
      assert.match(unknown.stderr, /no \[\[events.out\]\] has the name "x"/);
      const time = await runCommand(app, 'events', 'replay', '--sink', 'audit', '--since', 'yesterday');
      assert.match(time.stderr, /"yesterday" is no time/);
      const lately = await runCommand(app, 'events', 'replay', '--sink', 'audit', '--since', '24h');
      assert.deepEqual([lately.code, lately.stdout], [0, isRunning ? '2 events due now\n' : all.stdout]);
    });
  }
});

describe('two sinks', () => {
  it('do not hold up each other', async (t) => {
    const hanging = await startEventReceiver(t);
    hanging.answer(() => () => {});
    const { receiver, app, push } = await startWithSink(t, {
      sink: 'format = "cloudevents"',
      more: sinkOf(hanging, 'hanging', 'format = "cloudevents"'),
      deps,
    });
    for (let tag = 0; tag < 20; tag += 1) await push(`${tag}`, 'config');
    await receiver.took(20);
    await app.reload({ toml: `${rules}${sinkOf(receiver, 'hanging', 'format = "cloudevents"')}` });
    await receiver.took(40);
  });
});
