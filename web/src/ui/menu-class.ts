/** How an item of a menu looks; for links that are items. */
export const menuItemClass =
  'flex min-h-11 w-full select-none items-center gap-3 rounded-sm px-3 text-left text-sm text-text-1 outline-none data-[disabled]:opacity-50 data-[highlighted]:bg-surface-2 pointer-fine:min-h-9';
