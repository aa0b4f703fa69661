import { Access, AccessList, type Privilege } from '../src/access-list.ts';
import { FRAME_SIZE } from '../src/addresses.ts';
import type { LeafList } from '../src/leaf-list.ts';
import { OutcomeList } from '../src/outcome-list.ts';
import { type PermissionMask, permissionBit } from '../src/permissions.ts';
import type { Predictor } from './plan.ts';

/** Leaves that follow each other in virtual and in physical memory and allow the same. */
export interface LeafRun {
  readonly firstPage: number;
  pageCount: number;
  readonly firstFrame: number;
  /** What is allowed there, with EFLAGS.AC clear and PKRU 0. */
  readonly permissions: PermissionMask;
  /** As in OutcomeList; undefined where nothing is allowed. */
  readonly memoryType: number | undefined;
  /** How many leaves of which size in 4 KiB pages. */
  readonly leaves: Map<number, number>;
}

const ACCESSES = [Access.Read, Access.Write, Access.Execute];
const LEAVES_AT_ONCE = 16_384;

/** The runs of all leaves, ascending. */
export function* leafRuns(
  leaves: LeafList,
  predictor: Predictor,
  privileges: readonly Privilege[],
): Generator<LeafRun> {
  let run: LeafRun | undefined;
  for (let start = 0; start < leaves.length; start += LEAVES_AT_ONCE) {
    const end = Math.min(leaves.length, start + LEAVES_AT_ONCE);
    const rights = rightsOf(leaves, start, end, predictor, privileges);
    for (let leaf = start; leaf < end; leaf++) {
      const next = runOfLeaf(leaves, leaf, rights, leaf - start);
      if (run !== undefined && continues(run, next)) {
        run.pageCount += next.pageCount;
        run.leaves.set(next.pageCount, (run.leaves.get(next.pageCount) ?? 0) + 1);
      } else {
        if (run !== undefined) yield run;
        run = next;
      }
    }
  }
  if (run !== undefined) yield run;
}

interface LeafRights {
  readonly permissions: Uint8Array;
  /** −1 where nothing is allowed. */
  readonly memoryTypes: Int16Array;
}

function rightsOf(
  { pageNumber }: LeafList,
  start: number,
  end: number,
  predictor: Predictor,
  privileges: readonly Privilege[],
): LeafRights {
  const kinds = privileges.flatMap((privilege) => ACCESSES.map((access) => ({ access, privilege })));
  const accesses = new AccessList((end - start) * kinds.length);
  let at = 0;
  for (let leaf = start; leaf < end; leaf++) {
    const page = pageNumber[leaf] as number;
    const low = (page % 0x10_0000) * FRAME_SIZE;
    const high = Math.floor(page / 0x10_0000);
    for (const { access, privilege } of kinds) accesses.set(at++, low, high, access, privilege);
  }
  const outcomes = new OutcomeList(accesses.length);
  predictor.predict(accesses, outcomes);
  const permissions = new Uint8Array(end - start);
  const memoryTypes = new Int16Array(end - start).fill(-1);
  for (let index = 0; index < accesses.length; index++) {
    if (outcomes.fault[index] !== 0) continue;
    const leaf = Math.floor(index / kinds.length);
    permissions[leaf] =
      (permissions[leaf] as number) | permissionBit(accesses.access(index), accesses.privilege(index));
    memoryTypes[leaf] = outcomes.memoryType[index] as number;
  }
  return { permissions, memoryTypes };
}

function runOfLeaf(leaves: LeafList, leaf: number, rights: LeafRights, at: number): LeafRun {
  const pageCount = leaves.pageCount[leaf] as number;
  const memoryType = rights.memoryTypes[at] as number;
  return {
    firstPage: leaves.pageNumber[leaf] as number,
    pageCount,
    firstFrame: leaves.frame[leaf] as number,
    permissions: rights.permissions[at] as number,
    memoryType: memoryType < 0 ? undefined : memoryType,
    leaves: new Map([[pageCount, 1]]),
  };
}

function continues(run: LeafRun, next: LeafRun): boolean {
  return (
    next.firstPage === run.firstPage + run.pageCount &&
    next.firstFrame === run.firstFrame + run.pageCount &&
    next.permissions === run.permissions &&
    next.memoryType === run.memoryType
  );
}

/** Whether a run begins at a leaf (given by its index), even one that follows its predecessor without a gap. */
export function runStarts(
  leaves: LeafList,
  predictor: Predictor,
  privileges: readonly Privilege[],
): (index: number) => boolean {
  const starts = new Set<number>();
  for (const { firstPage } of leafRuns(leaves, predictor, privileges)) starts.add(firstPage);
  return (index) => starts.has(leaves.pageNumber[index] as number);
}
