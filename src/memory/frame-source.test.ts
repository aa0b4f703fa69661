import { describe, expect, test } from 'vitest';
import { codeOf, TABLES_BASE, tableMemory } from '../../test/support/page-tables.ts';
import type { Address } from '../addresses.ts';
import { FrameSource } from './frame-source.ts';
import { TableMemory } from './table-memory.ts';

const FIRST_FRAME = TABLES_BASE / 4096;

function sourceOf(answers: (Address | undefined | Error)[], released?: Address[]) {
  const { memory } = tableMemory(4);
  for (const { words } of memory.ranges) words.fill(0xa5a5_a5a5);
  const calls: unknown[] = [];
  const allocator = {
    allocatePage(...args: unknown[]): Address | undefined {
      calls.push(args);
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer;
    },
    ...(released === undefined ? {} : { releasePage: (page: Address) => void released.push(page) }),
  };
  return { memory, calls, source: new FrameSource(allocator, new TableMemory(memory)) };
}

describe('frames for tables', () => {
  test('are asked for with alignment, size and whether they hold the root, and come zeroed', () => {
    const { memory, calls, source } = sourceOf([TABLES_BASE, BigInt(TABLES_BASE) + 0x1000n]);
    expect([source.take(true), source.take(false)]).toEqual([FIRST_FRAME, FIRST_FRAME + 1]);
    expect(calls).toEqual([
      [4096, 4096, true],
      [4096, 4096, false],
    ]);
    expect(memory.frameWords(FIRST_FRAME)).toEqual(new Uint32Array(1024));
    expect(memory.readEntry(TABLES_BASE + 0x2000)).toBe(0xa5a5_a5a5_a5a5_a5a5n);
  });

  test('of a table of several frames are asked for, zeroed and given back together', () => {
    const { memory, allocator } = { ...tableMemory(8), allocator: [TABLES_BASE, TABLES_BASE + 0x2000] };
    for (const { words } of memory.ranges) words.fill(0xa5a5_a5a5);
    const calls: unknown[] = [];
    const source = new FrameSource(
      {
        allocatePage: (...args) => calls.push(args) && allocator.shift(),
        releasePage: (...args) => calls.push(args),
      },
      new TableMemory(memory, 4),
      4,
    );
    expect(source.take(false)).toBe(FIRST_FRAME);
    expect(memory.ranges[0]?.words.subarray(0, 4096)).toEqual(new Uint32Array(4096));
    expect(memory.readEntry(TABLES_BASE + 0x4000)).toBe(0xa5a5_a5a5_a5a5_a5a5n);
    expect(codeOf(() => source.take(false))).toBe('UnalignedPageBase');
    source.rollback();
    expect(calls).toEqual([
      [0x4000, 0x4000, false],
      [0x4000, 0x4000, false],
      [TABLES_BASE + 0x2000, 0x4000],
      [TABLES_BASE, 0x4000],
    ]);
  });

  test('of a table that lies in memory only in part are refused', () => {
    const { memory } = tableMemory(6);
    const source = new FrameSource(
      { allocatePage: () => TABLES_BASE + 0x4000 },
      new TableMemory(memory, 4),
      4,
    );
    expect(codeOf(() => source.take(false))).toBe('TableOutsideMemory');
  });

  test('an allocator that has none or throws is out of resources', () => {
    expect(codeOf(() => sourceOf([undefined]).source.take(false))).toBe('OutOfResources');
    const cause = new Error('pool exhausted');
    const { source } = sourceOf([cause]);
    expect(() => source.take(false)).toThrow(expect.objectContaining({ code: 'OutOfResources', cause }));
  });

  test.each([TABLES_BASE + 8, BigInt(TABLES_BASE) + 8n, 0.5])('%s is no page base', (address) => {
    const released: Address[] = [];
    const { source } = sourceOf([address], released);
    expect(codeOf(() => source.take(false))).toBe('UnalignedPageBase');
    source.rollback();
    expect(released).toEqual([address]);
  });

  test('a frame outside the memory is an error that names it', () => {
    const { source } = sourceOf([0x7000]);
    expect(() => source.take(false)).toThrow(
      'TableOutsideMemory: no memory holds a table at 0x7000 (address 0x7000)',
    );
  });

  test('go back cleared and in reverse order when the operation fails', () => {
    const released: Address[] = [];
    const { memory, source } = sourceOf([TABLES_BASE, TABLES_BASE + 0x1000, TABLES_BASE + 8], released);
    source.take(false);
    source.take(false);
    memory.writeEntry(TABLES_BASE, 7n);
    expect(codeOf(() => source.take(false))).toBe('UnalignedPageBase');
    source.rollback();
    expect(released).toEqual([TABLES_BASE + 8, TABLES_BASE + 0x1000, TABLES_BASE]);
    expect(memory.readEntry(TABLES_BASE)).toBe(0n);
  });

  test('do not go back after a commit', () => {
    const released: Address[] = [];
    const { source } = sourceOf([TABLES_BASE], released);
    source.take(false);
    source.commit();
    source.rollback();
    expect(released).toEqual([]);
  });

  test('are kept for the next table if the allocator takes nothing back', () => {
    const { calls, source } = sourceOf([TABLES_BASE, 0x7000, TABLES_BASE + 0x1000]);
    source.take(false);
    expect(codeOf(() => source.take(false))).toBe('TableOutsideMemory');
    source.rollback();
    expect([source.take(false), source.take(false)]).toEqual([FIRST_FRAME, FIRST_FRAME + 1]);
    expect(calls.length).toBe(3);
  });
});
