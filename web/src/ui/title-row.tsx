import { Trans, useLingui } from '@lingui/react/macro';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { TitleCardFragment } from '~/gql/graphql';
import type { TitleSearch } from '~/lib/title-search';
import { cx } from './cx';
import { Scroller } from './scroller';
import { Skeleton } from './skeleton';
import { posterWidth, TitleCard, TitleCardSkeleton } from './title-card';

interface FrameProps {
  heading: ReactNode;
  /** Where all of them are. */
  all?: TitleSearch;
  children: ReactNode;
}

/** A heading with its row. */
export function RowFrame({ heading, all, children }: FrameProps) {
  return (
    <section className="pt-8">
      <div className="gutter mb-2 flex min-h-11 items-center justify-between gap-4">
        <h2 className="text-lg font-semibold tracking-tight">{heading}</h2>
        {all && (
          <Link to="/search" search={all} className="inline-flex h-11 shrink-0 items-center rounded-md text-sm text-text-2 hover:text-text-1">
            <Trans>See all</Trans>
            <span className="sr-only">: {heading}</span>
          </Link>
        )}
      </div>
      {children}
    </section>
  );
}

interface RowProps {
  id: string;
  heading: string;
  all?: TitleSearch;
  titles: readonly { title: TitleCardFragment; note?: string }[];
  from?: 'row' | 'similar' | 'person';
}

export function TitleRow({ id, heading, all, titles, from = 'row' }: RowProps) {
  const { t } = useLingui();
  return (
    <RowFrame heading={heading} all={all}>
      <Scroller
        id={id}
        label={heading}
        previousLabel={t`Back`}
        nextLabel={t`Further`}
        items={titles}
        itemKey={({ title }) => title.id}
        itemClassName={posterWidth}
        render={({ title, note }, tabIndex) => <TitleCard title={title} note={note} tabIndex={tabIndex} from={from} />}
      />
    </RowFrame>
  );
}

/** As high as the row that comes. */
export const TitleRowSkeleton = () => (
  <div aria-hidden className="pt-8">
    <div className="gutter mb-2 flex min-h-11 items-center">
      <Skeleton className="h-5 w-40" />
    </div>
    <div className="gutter flex gap-3 overflow-hidden sm:gap-4">
      {Array.from({ length: 14 }, (_, i) => (
        <TitleCardSkeleton key={i} className={cx('shrink-0', posterWidth)} />
      ))}
    </div>
  </div>
);
