import type { Permissions, Rights } from '../../src/permissions.ts';

/** "supervisor read, write, execute; user nothing". */
export function explainedPermissions({ supervisor, user }: Permissions): string {
  return `supervisor ${rightsText(supervisor)}; user ${rightsText(user)}`;
}

function rightsText({ read, write, execute }: Rights): string {
  const names = [read && 'read', write && 'write', execute && 'execute'].filter((name) => name !== false);
  return names.length === 0 ? 'nothing' : names.join(', ');
}
