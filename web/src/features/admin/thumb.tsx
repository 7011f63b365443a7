/** A poster in a row of a table. */
export const Thumb = ({ url }: { url: string | null | undefined }) => (
  <span className="aspect-[2/3] w-8 shrink-0 overflow-hidden rounded-sm bg-surface-3">
    {url && <img src={url} alt="" width={32} height={48} loading="lazy" className="size-full object-cover" />}
  </span>
);
