"""How retailers name their tables, columns, kinds of event and states of orders: the tables behind the doctor."""

import difflib
import re
import unicodedata

from onshelf.files import unit_of
from onshelf_exporter.data import schema

MEANINGS = schema.MEANINGS

# Table or file names.
TABLE_NAMES: dict[str, tuple[str, ...]] = {
    "products": (
        "products", "product", "items", "item", "catalog", "catalogue", "articles", "article", "goods", "sku", "skus",
        "商品", "商品表", "商品信息", "产品", "产品表", "货品",
    ),
    "interactions": (
        "interactions", "interaction", "orders", "order", "orderlines", "orderitems", "transactions", "transaction",
        "sales", "purchases", "events", "event", "clickstream", "behavior", "behaviour", "userbehavior", "receipts",
        "订单", "订单表", "订单明细", "交易", "交易记录", "用户行为", "行为", "销售", "购买记录",
    ),
    "promotions": (
        "promotions", "promotion", "promos", "campaigncalendar", "placements", "ads", "促销", "促销表", "活动商品",
        "推广", "资源位",
    ),
    "channels": ("channels", "channel", "media", "渠道", "渠道表"),
    "campaigns": ("campaigns", "campaign", "营销活动", "活动"),
    "coupons": ("coupons", "coupon", "vouchers", "优惠券"),
    "users": ("users", "user", "customers", "customer", "members", "member", "用户", "用户表", "会员", "顾客", "客户"),
    "calendar_events": ("calendarevents", "calendar", "holidays", "festivals", "节日", "日历"),
    "market_signals": ("marketsignals", "signals", "marketdata", "市场信号"),
}  # fmt: skip

# Columns. "category_1" to "category_3" are the levels of a path in columns of their own.
COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "product_id": (
        "productid", "itemid", "sku", "skuid", "articleid", "articleno", "articlenumber", "itemno", "itemcode",
        "productcode", "asin", "ean", "upc", "gtin", "goodsid", "stockcode", "productsku", "item", "variantid",
        "商品id", "商品编号", "商品编码", "产品id", "产品编号", "货号", "款号", "商品代码", "skuid编号", "productnum",
        "productno", "productnumber", "prodid", "itemnumber", "itemnum", "partno", "partnumber", "barcode", "plu",
        "skucode", "skuno",
        "lineitemsku", "artikelnummer", "artikelnr", "artnr", "artikelid", "produktnummer", "produktid",
        "produktnr", "referenceproduit", "reference", "codearticle", "codeproduit", "idproduit", "referencearticle",
        "referencia", "idproducto", "codigoproducto", "codigo", "codigoarticulo", "codicearticolo", "codiceprodotto",
        "artikelcode",
    ),
    "title": (
        "title", "producttitle", "productname", "name", "itemname", "itemtitle", "description", "productdescription",
        "articlename", "goodsname", "product", "designation", "商品名称", "商品名", "商品标题", "标题", "产品名称",
        "品名", "名称", "宝贝标题", "itemdescription", "productdesc", "itemdesc", "articledescription",
        "lineitemname", "articletitle", "artikelbezeichnung", "artikelname", "artikel", "bezeichnung", "produktname",
        "produkt", "produktbezeichnung", "produkttitel", "libelle", "nomproduit", "produit", "intitule",
        "libelleproduit", "libellearticle", "producto", "nombreproducto", "nombredelproducto", "descripcion",
        "nombre", "articulo", "titulo", "nomeprodotto", "prodotto", "descrizione", "productnaam", "omschrijving",
        "商品标题名", "prodname", "itemdescriptionlong",
    ),
    "brand": (
        "brand", "brandname", "manufacturer", "maker", "vendor", "label", "品牌", "品牌名", "品牌名称", "厂商",
        "制造商", "manufacturername",
        "marke", "hersteller", "marque", "fabricant", "marca", "fabricante", "merk",
    ),
    "private_label": ("privatelabel", "ownbrand", "housebrand", "自有品牌"),
    "category_path": (
        "category", "categorypath", "categoryname", "productcategory", "categories", "producttype", "taxonomy",
        "breadcrumb", "categorycode", "类目", "商品类目", "类别", "分类", "商品分类", "品类", "所属类目", "类目路径",
        "kategorie", "warengruppe", "produktkategorie", "kategoriepfad", "categorie", "famille", "rayon", "categoria",
        "familia", "categorias",
    ),
    "category_1": (
        "department", "category1", "level1", "maincategory", "division", "一级类目", "一级分类", "大类", "dept",
        "departmentname",
        "productgroup", "productgroupname", "hauptkategorie",
    ),
    "category_2": (
        "category2", "level2", "subcategory", "secondarycategory", "二级类目", "二级分类", "中类", "subcategoryname",
        "producttypename", "unterkategorie", "souscategorie", "subcategoria",
    ),
    "category_3": ("category3", "level3", "subsubcategory", "type", "三级类目", "三级分类", "小类"),
    "package_size": ("packagesize", "size", "packsize", "pack", "规格", "包装规格", "包装", "productsize", "unitsize"),
    "list_price": (
        "listprice", "price", "unitprice", "regularprice", "retailprice", "originalprice", "msrp", "rrp", "baseprice",
        "价格", "单价", "售价", "原价", "标价", "零售价", "吊牌价", "fullprice", "compareatprice", "normalprice",
        "lineitemprice", "lineitemcompareatprice", "einzelpreis", "preis", "stueckpreis", "stuckpreis",
        "verkaufspreis", "bruttopreis", "prixunitaire", "prix", "pu", "prixttc", "preciounitario", "precio",
        "prezzounitario", "prezzo", "prijs", "商品单价", "产品单价", "itemcost",
    ),
    "unit_cost": ("unitcost", "cost", "costprice", "purchaseprice", "cogs", "成本", "成本价", "进价", "单位成本"),
    "launch_date": (
        "launchdate", "releasedate", "availablefrom", "onsalefrom", "onlinesince", "listeddate", "firstsaledate",
        "上架时间", "上架日期", "上市日期", "上市时间", "发布时间", "上新日期",
        "erscheinungsdatum", "datedelancement", "fechadelanzamiento",
    ),
    "seller_id": (
        "sellerid", "seller", "merchantid", "merchant", "shopid", "卖家id", "店铺id", "卖家", "商家", "店铺",
    ),
    "user_id": (
        "userid", "user", "customerid", "customer", "customernumber", "customerno", "clientid", "memberid",
        "visitorid", "householdid", "buyerid", "shopperid", "用户id", "用户编号", "用户", "会员id", "会员编号",
        "顾客id", "买家id", "客户id", "客户编号", "买家", "custid", "custno", "customercode", "customerkey",
        "household", "householdkey", "hshdnum", "hhid", "accountid", "loyaltyid", "buyer",
        "kundennummer", "kundennr", "kunde", "kundenid", "client", "numeroclient", "idclient", "nclient",
        "codeclient", "cliente", "idcliente", "codigocliente", "numerocliente", "klantnummer", "klant",
        "customeruserid", "买家会员名", "会员名", "买家昵称", "买家会员id",
    ),
    "time": (
        "time", "timestamp", "datetime", "eventtime", "ordertime", "orderdate", "purchasedate", "purchasetime",
        "invoicedate", "createdat", "transactiondate", "transactiontimestamp", "boughtat", "saledate", "day", "date",
        "下单时间", "下单日期", "购买时间", "支付时间", "付款时间", "订单时间", "时间", "交易时间", "行为时间",
        "成交时间", "日期", "datetimeoforder", "orderdatetime", "orderedat", "createdate", "createddate", "salesdate",
        "transactiontime", "txndate", "eventdate", "week",
        "bestelldatum", "bestellzeit", "kaufdatum", "datum", "auftragsdatum", "rechnungsdatum", "verkaufsdatum",
        "zeitpunkt", "belegdatum", "datedecommande", "datecommande", "datedachat", "datevente", "datedevente",
        "datefacture", "fechadelpedido", "fechapedido", "fecha", "fechadecompra", "fechaventa", "fechadeventa",
        "dataordine", "datadellordine", "besteldatum", "orderdatumtijd", "订单创建时间", "创建时间", "订单付款时间",
        "成交日期", "tdat", "orderpurchasetimestamp", "salestime",
    ),
    "kind": (
        "kind", "event", "eventtype", "type", "action", "behaviortype", "behavior", "activity", "行为", "行为类型",
        "事件", "事件类型", "操作类型",
    ),
    "quantity": (
        "quantity", "qty", "units", "amountofitems", "count", "pieces", "itemsquantity", "unitssold", "数量", "件数",
        "购买数量", "销量", "购买件数", "orderqty", "orderquantity", "quantityordered", "qtyordered", "quantitysold",
        "qtysold", "salesqty", "salesunits",
        "lineitemquantity", "menge", "anzahl", "stueck", "stuck", "stueckzahl", "stuckzahl", "bestellmenge",
        "quantite", "qte", "quantitecommandee", "nombredarticles", "cantidad", "unidades", "cant", "uds", "quantita",
        "aantal", "商品数量", "销售数量", "宝贝数量",
    ),
    "revenue": (
        "revenue", "amount", "total", "totalprice", "linetotal", "netamount", "sales", "salesvalue", "turnover",
        "paid", "paidamount", "ordervalue", "金额", "实付金额", "成交金额", "销售额", "支付金额", "订单金额",
        "实付款", "总价", "总金额", "spend", "netsales", "netrevenue", "salesamount", "saleamount", "lineamount",
        "amountpaid", "extendedprice",
        "itemtotal", "rowtotal", "lineamounttotal", "gesamtpreis", "umsatz", "betrag", "positionspreis",
        "zeilensumme", "positionssumme", "montant", "montantttc", "montantht", "totalttc", "totalligne",
        "chiffredaffaires", "ca", "importe", "importetotal", "ventas", "totallinea", "importelinea", "importo",
        "ricavo", "omzet", "ordertotal", "买家实付金额", "买家应付货款", "商品总价",
    ),
    "discount": (
        "discount", "discountamount", "rebate", "reduction", "markdown", "折扣", "优惠", "优惠金额", "折扣金额",
        "立减",
        "rabatt", "nachlass", "remise", "remisetotale", "descuento", "sconto", "korting", "itempromotiondiscount",
    ),
    "coupon_discount": ("coupondiscount", "voucherdiscount", "couponvalue", "优惠券金额", "券抵扣", "优惠券抵扣"),
    "order_id": (
        "orderid", "order", "ordernumber", "orderno", "invoice", "invoiceno", "invoiceid", "basketid", "receiptid",
        "transactionid", "订单号", "订单id", "订单编号", "交易号", "小票号", "ordernum", "transactionno",
        "transactionnumber", "receipt", "receiptno", "bill", "billno", "billnumber",
        "bestellnummer", "auftragsnummer", "bestellid", "auftragsnr", "bestellnr", "rechnungsnummer", "belegnummer",
        "belegnr", "incrementid", "ncommande", "numerocommande", "numerodecommande", "idcommande", "commande",
        "nocommande", "nfacture", "pedido", "numeropedido", "numerodepedido", "idpedido", "npedido", "nopedido",
        "ordine", "numeroordine", "numerofattura", "factura", "ordernummer", "amazonorderid",
    ),
    "site_id": (
        "siteid", "site", "storeid", "store", "shop", "branch", "country", "门店", "门店id", "站点", "仓库",
        "storenum", "storenumber", "storeno", "storecode", "locationid", "outlet",
        "filiale", "markt", "laden", "magasin", "pointdevente", "tienda", "sucursal", "negozio", "filiaal",
    ),
    "event_id": ("eventid", "uuid", "事件id", "流水号"),
    "rating": ("rating", "stars", "score", "评分", "星级"),
    "text": ("text", "review", "reviewtext", "comment", "评论", "评价", "评价内容", "评论内容"),
    "date": ("date", "week", "weekstart", "weekenddate", "day", "startdate", "日期", "周", "促销日期", "活动日期"),
    "channel_id": (
        "channelid", "channel", "medium", "placement", "slot", "渠道", "渠道id", "资源位", "投放渠道", "推广渠道",
    ),
    "campaign_id": ("campaignid", "campaign", "活动id", "活动编号"),
    "coupon_id": ("couponid", "coupon", "vouchercode", "优惠券id", "券id"),
    "start_date": ("startdate", "start", "from", "validfrom", "开始日期", "开始时间"),
    "end_date": ("enddate", "end", "to", "validto", "until", "结束日期", "结束时间"),
    "fixed_cost": ("fixedcost", "固定成本", "固定费用"),
    "lead_time_days": ("leadtimedays", "leadtime", "提前期", "提前天数"),
    "capacity": ("capacity", "slots", "容量", "坑位数"),
    "signal_id": ("signalid", "signal", "series", "指标"),
    "value": ("value", "值", "数值"),
    "audience": ("audience", "受众"),
    "name": ("name", "名称"),
    "attributes": ("attributes", "properties", "属性"),
    "category_path_readable": ("categorypathreadable",),
}  # fmt: skip

# The same for what is no column of the schema: keys of MEANINGS.
MEANING_NAMES: dict[str, tuple[str, ...]] = {
    "price_paid": (
        "sellingprice", "soldprice", "paidprice", "pricepaid", "actualprice", "netprice", "成交价", "成交单价",
        "实付单价",
    ),
    "discount_share": ("discountpercent", "discountpercentage", "discountpct", "discountrate", "折扣率"),
    "status": (
        "status", "orderstatus", "state", "orderstate", "paymentstatus", "financialstatus", "订单状态", "状态",
        "交易状态", "支付状态",
    ),
    "currency": ("currency", "currencycode", "wahrung", "waehrung", "devise", "moneda", "valuta", "币种", "货币"),
    "week_start": ("weekstart", "weekstartdate", "weekbegin", "weekbeginning", "周开始日期"),
    "week_end": ("weekenddate", "weekending", "weekendingdate", "周结束日期"),
    "promotion": (
        "feature", "featured", "display", "tpronly", "tpr", "onpromo", "onpromotion", "promo", "promoflag", "ispromo",
        "ispromotion", "promoted", "promotion", "mailer", "flyer", "leaflet", "促销", "是否促销",
    ),
}  # fmt: skip

# Names that say less than others: of two headers that mean the same, the other is taken.
GENERIC = (
    "name", "description", "product", "item", "order", "customer", "client", "user", "cliente", "kunde", "total",
    "ordertotal", "grandtotal", "ordervalue", "orderamount", "订单金额", "总金额", "名称", "nombre", "artikel",
    "descripcion", "descrizione", "reference", "referencia", "codigo",
)  # fmt: skip

# Of two prices in a file, the one of these names is the regular one; the other was paid.
REGULAR_PRICES = (
    "listprice", "regularprice", "originalprice", "baseprice", "fullprice", "compareatprice", "normalprice", "msrp",
    "rrp", "原价", "标价", "吊牌价", "lineitemcompareatprice",
)  # fmt: skip

# Headers that are understood and need no column: (names, why).
NOT_NEEDED: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        (
            "email",
            "emailaddress",
            "customeremail",
            "buyeremail",
            "billingemail",
            "contactemail",
            "邮箱",
            "电话",
            "phone",
        ),
        "an address is no pseudonym: write a hash of it into a column user_id",
    ),
    (("visits", "hhs", "households", "baskets", "transactions"), "counts of baskets or households are not used"),
)

# Values of `kind`.
KIND_VALUES: dict[str, tuple[str, ...]] = {
    "view": ("view", "pv", "pageview", "impression", "detail", "browse", "浏览", "查看", "曝光"),
    "click": ("click", "clk", "点击"),
    "cart": ("cart", "addtocart", "basket", "addcart", "加购", "加购物车", "加入购物车"),
    "purchase": (
        "purchase", "buy", "bought", "order", "sale", "transaction", "paid", "completed", "购买", "下单", "支付",
        "成交", "已完成", "交易成功", "已付款",
    ),
    "return": ("return", "refund", "returned", "refunded", "退货", "退款", "已退款"),
    "review": ("review", "rating", "评价", "评论"),
}  # fmt: skip

# Values of a state of orders: which are sales, and which are not.
SOLD = (
    "completed", "complete", "paid", "shipped", "delivered", "fulfilled", "closed", "processed", "processing",
    "invoiced", "success", "successful", "confirmed", "approved", "done", "finished", "sold", "partiallyrefunded",
    "partiallyshipped", "partiallyfulfilled", "已完成", "交易成功", "已付款", "已支付", "已发货", "待发货", "待收货",
    "已签收", "完成", "成功", "卖家已发货", "买家已付款", "等待买家确认收货",
    "abgeschlossen", "komplettabgeschlossen", "bezahlt", "komplettbezahlt",
    "versendet", "versandt", "geliefert", "zugestellt", "komplettausgeliefert", "termine", "terminee", "livre",
    "livree", "expedie", "expediee", "paye", "payee", "completado", "completada", "entregado", "enviado", "pagado",
    "completato", "spedito", "consegnato", "pagato", "verzonden", "afgerond",
)  # fmt: skip
NOT_SOLD = (
    "cancelled", "canceled", "cancel", "cancellation", "refunded", "refund", "returned", "pending", "pendingpayment",
    "awaitingpayment", "failed", "rejected", "declined", "voided", "void", "unpaid", "onhold", "hold", "draft",
    "abandoned", "expired", "已取消", "取消", "交易关闭", "已关闭", "待付款", "未付款", "已退款", "退款", "退货",
)  # fmt: skip

# Lines of a receipt that are no products, by their whole title: words between which anything but letters may stand.
SERVICES = (
    "postage", "postage and packing", "dotcom postage", "shipping", "shipping costs", "shipping fee",
    "shipping charge", "shipping and handling", "delivery", "delivery charge", "delivery fee", "carriage", "freight",
    "handling", "handling fee", "service charge", "service fee", "bank charges", "bank charge", "amazon fee",
    "adjust bad debt", "bad debt", "adjustment", "manual", "manual adjustment", "stock adjustment", "discount",
    "rounding", "gift voucher", "gift card", "voucher", "deposit", "tip", "donation", "surcharge", "versand",
    "versandkosten", "porto", "frais de port", "frais de livraison", "gastos de envio", "spese di spedizione",
    "verzendkosten", "运费", "邮费", "快递费", "补差价", "差价", "服务费", "手续费",
)  # fmt: skip
# Rows that sum up others, by their whole id or title.
TOTALS = (
    "total", "totals", "grand total", "subtotal", "sub total", "sum", "overall", "summe", "gesamt", "gesamtsumme",
    "zwischensumme", "total general", "sous total", "total général", "totale", "totaal", "suma", "итого", "всего",
    "合计", "总计", "小计", "合計", "総計", "total result", "gesamtergebnis",
)  # fmt: skip
# Numbers of which a percentage is none; a discount may be one.
NO_PERCENTAGE = (
    "revenue", "coupon_discount", "price_paid", "list_price", "unit_cost", "fixed_cost", "quantity", "rating",
)  # fmt: skip
MONTHS = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "january", "february",
    "march", "april", "june", "july", "august", "september", "october", "november", "december", "q", "h", "w",
    "export", "part", "final", "copy", "data", "all", "new",
)  # fmt: skip
NEAR = 0.8  # similarity of a header to a known name from which it is offered as a guess


def normal(name: str) -> str:
    """A header without case, accents, blanks, punctuation, a remark in brackets: "Unit Price (EUR)" is "unitprice"."""
    bare = re.sub(r"[(（\[【].*?[)）\]】]", "", name.strip().lower().lstrip("\ufeff"))
    plain = re.sub("[\u0300-\u0305\u0307\u0308\u030a-\u030c\u0327]", "", unicodedata.normalize("NFKD", bare)).replace(
        "ß", "ss"
    )
    return re.sub(r"[\s_\-./:：#*'’°\"%]+", "", unicodedata.normalize("NFC", plain))


def columns_of(header: str) -> tuple[str, ...]:
    """Columns of the schema, or keys of MEANINGS, that a header may mean, best first; () for none. A percentage is no
    amount: "Discount %" is a share, "Cost %" no cost.
    """
    key = normal(header)
    everything = COLUMN_NAMES | MEANING_NAMES
    exact = tuple(column for column in everything if normal(column) == key)
    found = exact + tuple(column for column, names in everything.items() if key in names and column not in exact)
    if not unit_of(header).percent:
        return found
    return tuple("discount_share" if one == "discount" else one for one in found if one not in NO_PERCENTAGE)


def guess_of(header: str) -> tuple[str, str] | None:
    """A known name that a header resembles, and its column: offered, never taken."""
    everything = (COLUMN_NAMES | MEANING_NAMES).items()
    known = {name: column for column, names in everything for name in (*names, normal(column))}
    near = difflib.get_close_matches(normal(header), known, n=1, cutoff=NEAR)
    return (near[0], known[near[0]]) if near else None


def is_generic(header: str) -> bool:
    """Whether a header says less than others of the same meaning."""
    return normal(header) in GENERIC


def why_not_needed(header: str) -> str:
    """Why a header that is understood needs no column; "" for others."""
    return next((why for names, why in NOT_NEEDED if normal(header) in names), "")


def is_regular_price(header: str) -> bool:
    """Whether a header says that its price is the regular one, not the one paid."""
    return normal(header) in REGULAR_PRICES


def table_of(name: str) -> str | None:
    """Canonical table that a file name means, whatever months and numbers it holds."""
    words = [word for word in re.findall(r"[^\W\d_]+", name.lower()) if word not in MONTHS]
    for key in (re.sub(r"\d+$", "", normal(name)), "".join(words)):
        for table, names in TABLE_NAMES.items():
            if key == normal(table) or key in names:
                return table
    named = {table for table, names in TABLE_NAMES.items() for word in words if word in names}
    return named.pop() if len(named) == 1 else None


def kind_of(value: str) -> str | None:
    """Canonical kind of an event's name; "" where it is no event at all (a cancelled order); None where unknown."""
    key = normal(value)
    kind = next((kind for kind, names in KIND_VALUES.items() if key in names), None)
    return "" if kind is None and key in NOT_SOLD else kind


def status_of(value: str) -> str | None:
    """The same of the state of an order."""
    key = normal(re.sub(r"(?i)^wc-", "", value))  # WooCommerce's mark
    if key in NOT_SOLD:
        return ""
    return "purchase" if key in SOLD else kind_of(value)


def is_service(title: str) -> bool:
    """Whether a title is that of postage, a fee or an adjustment: a line of a receipt, not a product."""
    return " ".join(re.findall(r"[^\W\d_]+", title.lower())) in SERVICES


def known_columns() -> set[str]:
    """What `--map` may name."""
    return {column.name for column in schema.COLUMNS} | set(MEANINGS)


def channel_of(header: str) -> str:
    """The id of the channel of promotion that a flag is about."""
    return re.sub(r"[^\w]+", "_", header.strip().lower()).strip("_")
