import { writeSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Access, AccessList, Privilege } from '../src/access-list.ts';
import { AccessLog } from './access-log.ts';
import { GROUP_SIZE, X64Batch } from './x64-batch.ts';
import { NOT_LOGGED, readLandings } from './x64-landings.ts';

const MARKER_FRAME = 0xff_ffff;
let log: AccessLog;
let written = 0;
beforeEach(() => {
  log = new AccessLog('test');
  written = 0;
});
afterEach(() => log.close());

/** A line as QEMU writes it. */
const line = (kind: 'read' | 'write', address: number, size: number) =>
  `Invalid ${kind} at addr 0x${address.toString(16).toUpperCase()}, size ${size}, region '(null)', reason: rejected\n`;
const marker = (group: number, groupSize = GROUP_SIZE) =>
  line('write', MARKER_FRAME * 4096 + ((group * groupSize * 8) % 4096), 8);

function batchOf(accesses: readonly Access[], isLogged = false): X64Batch {
  const list = new AccessList(accesses.length);
  const batch = new X64Batch(accesses.length, false);
  accesses.forEach((access, index) => {
    list.set(index, 0x5000, 0, access, Privilege.Supervisor);
    batch.add(list, index, isLogged);
  });
  return batch;
}

function landings(batch: X64Batch, text: string, groupSize = GROUP_SIZE): number[] {
  written += writeSync(log.descriptor, text, written);
  const frames = new Float64Array(batch.length);
  readLandings('test', log, batch, groupSize, MARKER_FRAME, frames);
  log.checkEnd();
  return [...frames];
}

const { Read, Write, Execute } = Access;
const desynchronised = /log and the probes do not belong together/;

describe('what QEMU logs between two markers', () => {
  test('belongs to the probe whose slot the physical address has', () => {
    const text =
      marker(0) + line('read', 0x12_3456_7000, 4) + line('read', 0x7020, 1) + line('read', 0x7021, 1);
    expect(landings(batchOf([Read, Read, Execute]), text)).toEqual([0x1_2345_67, NOT_LOGGED, 0x7]);
  });

  test('of a write are its load and its store', () => {
    const text = marker(0) + line('read', 0x9000, 4) + line('write', 0x9003, 1);
    expect(landings(batchOf([Write]), text)).toEqual([9]);
  });

  test('of a write after a read of its page is its store, in the slot of the read', () => {
    const batch = batchOf([Read, Write, Read, Write], true);
    expect([0, 1, 2, 3].map((position) => batch.slot(position))).toEqual([0, 0, 2, 2]);
    const text = marker(0) + line('read', 0x9000, 4) + line('write', 0x8003, 1) + line('read', 0x7020, 4);
    expect(landings(batch, text)).toEqual([9, 8, 7, NOT_LOGGED]);
  });

  test('of such a write whose read faulted is its store too', () => {
    const text = marker(0) + line('read', 0x9000, 4) + line('write', 0x9003, 1);
    expect(landings(batchOf([Read, Write], true), text)[1]).toBe(9);
  });

  test('may be page walks through missing tables, which are not probes', () => {
    const text = marker(0) + line('read', 0x8000, 8) + line('read', 0x9010, 4);
    expect(landings(batchOf([Read, Read]), text)).toEqual([NOT_LOGGED, 9]);
  });

  test('is told apart by groups: the same slot again after a marker is another probe', () => {
    const accesses = Array.from({ length: GROUP_SIZE + 1 }, () => Read);
    const frames = landings(batchOf(accesses), marker(0) + marker(1) + line('read', 0x9000, 4));
    expect([frames[0], frames[GROUP_SIZE]]).toEqual([NOT_LOGGED, 9]);
  });
});

test('what is logged from the first marker of the next batch on is left for that batch', () => {
  const frames = new Float64Array(1);
  const text = marker(0) + line('read', 0x9000, 4) + marker(0) + line('read', 0x8000, 4);
  written += writeSync(log.descriptor, text, written);
  for (const frame of [9, 8]) {
    readLandings('test', log, batchOf([Read]), GROUP_SIZE, MARKER_FRAME, frames);
    expect([...frames]).toEqual([frame]);
  }
  log.checkEnd();
});

describe('a log that does not fit the probes is an error, never an answer:', () => {
  test.each([
    ['a missing marker', [Read], ''],
    ['a marker too many', [Read], marker(0) + marker(1)],
    ['a marker out of order', Array.from({ length: GROUP_SIZE + 1 }, () => Read), marker(1) + marker(0)],
    ['a slot that no probe has', [Read], marker(0) + line('read', 0x9010, 4)],
    ['a store of a probe that reads', [Read], marker(0) + line('write', 0x9003, 1)],
    ['two places of one probe', [Read], marker(0) + line('read', 0x9000, 4) + line('read', 0xa000, 4)],
    ['a line before the first marker', [Read], line('read', 0x9000, 4) + marker(0)],
  ])('%s', (_, accesses, text) => {
    expect(() => landings(batchOf(accesses), text)).toThrow(desynchronised);
  });

  test.each([
    'Something else went wrong\n',
    'Invalid read at addr 0x9000\n',
    "Invalid read at addr 0x9000, size 4, region '(null)', reason: rej",
  ])('the line %j', (text) => {
    expect(() => landings(batchOf([Read]), marker(0) + text)).toThrow(/QEMU logged "/);
  });
});
