import { hex } from '../../src/addresses.ts';
import type { Mismatch, MismatchGroup, Party, Report } from '../report.ts';
import { textTable } from '../text-table.ts';
import type { Paint } from './text.ts';

const PARTIES: readonly Party[] = ['declared', 'queried', 'predicted', 'observed'];

/** Blocks that a person still reads. */
const BLOCK_LIMIT = 40;

/** The groups that concern the same addresses on the same machine. */
interface Block {
  readonly machine: string;
  readonly region: string | null;
  readonly first: bigint;
  readonly last: bigint;
  readonly groups: MismatchGroup[];
}

/** For each range of addresses with mismatches: who says what, side by side. */
export function mismatchBlocks({ groups, groupsOmitted }: Report, paint: Paint): string[] {
  const blocks = new Map<string, Block>();
  for (const group of groups) {
    const { machine, region } = group.example;
    const first = BigInt(group.first);
    const last = BigInt(group.last);
    const key = `${machine} ${region} ${first >> 12n} ${last >> 12n} ${group.count}`;
    const block = blocks.get(key) ?? { machine, region, first, last, groups: [] };
    blocks.set(key, block);
    block.groups.push(group);
  }
  const all = [...blocks.values()];
  const lines = all.slice(0, BLOCK_LIMIT).flatMap((block) => [...describeBlock(block, paint), '']);
  const hidden = all.length - BLOCK_LIMIT;
  if (hidden > 0 || groupsOmitted > 0) {
    lines.push(`… and ${Math.max(hidden, 0) + groupsOmitted} more ranges; --reporter json has details`, '');
  }
  return lines;
}

function describeBlock({ machine, region, first, last, groups }: Block, paint: Paint): string[] {
  const { count, example } = groups[0] as MismatchGroup;
  const range = first === last ? hex(first) : `${hex(first)} – ${hex(last)}`;
  const addresses = count === 1 ? '' : `, ${count} addresses`;
  const where = region === null ? '' : `, region ${region}`;
  const lines = [paint('bold', `${machine}: ${range}${where}${addresses}`)];
  const rows = groups.map(({ example: mismatch }) => mismatch);
  const parties = PARTIES.filter((party) => rows.some((row) => row[party] !== null));
  if (parties.length > 0) lines.push(...table(rows, parties, paint));
  if (example.remark !== undefined) lines.push(`  ${example.remark}`);
  return lines;
}

function table(rows: readonly Mismatch[], parties: readonly Party[], paint: Paint): string[] {
  const cells = rows.map((row) => [
    `${row.privilege} ${row.access}`,
    ...parties.map((party) => (row[party]?.text ?? 'not known') + (row.alone === party ? '  ← alone' : '')),
  ]);
  const [header, ...lines] = textTable([['', ...parties], ...cells]);
  return [
    paint('dim', header ?? ''),
    ...lines.map((line, at) => (rows[at]?.alone ? paint('yellow', line) : line)),
  ];
}
