import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UndoJournal } from './undo-journal.ts';

describe('UndoJournal', () => {
  test('restores the words of every array, the oldest content last', () => {
    const first = Uint32Array.of(1, 2, 3, 4);
    const second = Uint32Array.of(5, 6);
    const journal = new UndoJournal();
    journal.save(first, 0, 2);
    first.set([10, 20]);
    journal.save(second, 0, 2);
    second.fill(0);
    journal.save(first, 1, 3);
    first.fill(99);
    journal.rollback();
    expect([...first, ...second]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('forgets what was committed', () => {
    const words = Uint32Array.of(1, 2);
    const journal = new UndoJournal();
    journal.save(words, 0, 2);
    words.fill(7);
    journal.commit();
    journal.rollback();
    expect([...words]).toEqual([7, 7]);
  });

  test('two journals at work at once do not share what they saved, before and after a commit', () => {
    const long = () => Uint32Array.from({ length: 1 << 17 }, (_, index) => index);
    const [first, second] = [long(), long()];
    const journals = [new UndoJournal(), new UndoJournal()] as const;
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < first.length; at += 1024) {
        journals[0].save(first, at, 1024);
        journals[1].save(second, at, 1024);
        first.fill(7, at, at + 1024);
        second.fill(8, at, at + 1024);
      }
      journals[0].rollback();
      expect(first).toEqual(long());
      if (round === 1) journals[1].commit();
      else journals[1].rollback();
      expect(second).toEqual(round === 1 ? new Uint32Array(1 << 17).fill(8) : long());
      second.set(long());
    }
  });

  test('restores any sequence of overwritten runs, long ones too', () => {
    const run = fc.record({ start: fc.nat(900), length: fc.integer({ min: 1, max: 124 }), value: fc.nat() });
    fc.assert(
      fc.property(fc.array(run, { maxLength: 60 }), (runs) => {
        const words = Uint32Array.from({ length: 1024 }, (_, index) => index * 2_654_435_761);
        const before = words.slice();
        const journal = new UndoJournal();
        for (const { start, length, value } of runs) {
          journal.save(words, start, length);
          words.fill(value, start, start + length);
        }
        journal.rollback();
        expect(words).toEqual(before);
      }),
    );
  });
});
