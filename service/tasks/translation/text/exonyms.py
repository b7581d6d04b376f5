"""Exonyms: names of places that another language spells in its own way, such as Munich and München."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType

_ENGLISH_GERMAN = """
Munich München, Cologne Köln, Vienna Wien, Nuremberg Nürnberg, Zurich Zürich, Zürich Zürich, Geneva Genf, Basle Basel,
Lucerne Luzern, Berne Bern, Hanover Hannover, Brunswick Braunschweig, Hamelin Hameln, Duesseldorf Düsseldorf,
Dusseldorf Düsseldorf, Luebeck Lübeck, Lubeck Lübeck, Muenster Münster, Tuebingen Tübingen, Goettingen Göttingen,
Florence Florenz, Venice Venedig, Rome Rom, Milan Mailand, Naples Neapel, Turin Turin, Genoa Genua, Padua Padua,
Lisbon Lissabon, Prague Prag, Warsaw Warschau, Cracow Krakau, Krakow Krakau, Gdansk Danzig, Gdańsk Danzig,
Wroclaw Breslau, Wrocław Breslau, Moscow Moskau, Kiev Kiew, Kyiv Kiew, Athens Athen, Thessaloniki Thessaloniki,
Brussels Brüssel, Antwerp Antwerpen, Ghent Gent, Bruges Brügge, Hague Haag, Nijmegen Nimwegen, Copenhagen Kopenhagen,
Gothenburg Göteborg, Belgrade Belgrad, Bucharest Bukarest, Sofia Sofia, Zagreb Zagreb, Ljubljana Ljubljana,
Bratislava Bratislava, Tallinn Tallinn, Vilnius Vilnius, Reykjavik Reykjavik, Strasbourg Straßburg, Nice Nizza,
Seville Sevilla, Saragossa Saragossa, Corfu Korfu, Crete Kreta, Rhodes Rhodos, Cyprus Zypern, Sicily Sizilien,
Sardinia Sardinien, Corsica Korsika, Majorca Mallorca, Mallorca Mallorca, Tuscany Toskana, Lombardy Lombardei,
Cairo Kairo, Alexandria Alexandria, Tripoli Tripolis, Tunis Tunis, Algiers Algier, Casablanca Casablanca,
Jerusalem Jerusalem, Damascus Damaskus, Baghdad Bagdad, Tehran Teheran, Teheran Teheran, Kabul Kabul, Beirut Beirut,
Mecca Mekka, Medina Medina, Riyadh Riad, Dubai Dubai, Calcutta Kalkutta, Bombay Bombay, Mumbai Mumbai, Delhi Delhi,
Singapore Singapur, Beijing Peking, Peking Peking, Tokyo Tokio, Kyoto Kyoto, Seoul Seoul, Hongkong Hongkong,
Johannesburg Johannesburg, Nairobi Nairobi, Havana Havanna, Sydney Sydney, Melbourne Melbourne, Montreal Montreal,
Germany Deutschland, Austria Österreich, Switzerland Schweiz, France Frankreich, Italy Italien, Spain Spanien,
Poland Polen, Hungary Ungarn, Greece Griechenland, Turkey Türkei, Russia Russland, Ukraine Ukraine, Belarus Belarus,
Lithuania Litauen, Latvia Lettland, Estonia Estland, Finland Finnland, Sweden Schweden, Norway Norwegen,
Denmark Dänemark, Iceland Island, Ireland Irland, Scotland Schottland, Wales Wales, England England,
Belgium Belgien, Netherlands Niederlande, Luxembourg Luxemburg, Croatia Kroatien, Slovenia Slowenien,
Slovakia Slowakei, Serbia Serbien, Bosnia Bosnien, Albania Albanien, Macedonia Mazedonien, Bulgaria Bulgarien,
Romania Rumänien, Moldova Moldawien, Georgia Georgien, Armenia Armenien, Azerbaijan Aserbaidschan,
Kazakhstan Kasachstan, Uzbekistan Usbekistan, Turkmenistan Turkmenistan, Kyrgyzstan Kirgisistan,
Tajikistan Tadschikistan, Mongolia Mongolei, China China, Japan Japan, Korea Korea, Vietnam Vietnam,
Thailand Thailand, Cambodia Kambodscha, Laos Laos, Malaysia Malaysia, Indonesia Indonesien, Philippines Philippinen,
India Indien, Pakistan Pakistan, Bangladesh Bangladesch, Nepal Nepal, Afghanistan Afghanistan, Iran Iran, Iraq Irak,
Syria Syrien, Lebanon Libanon, Jordan Jordanien, Israel Israel, Egypt Ägypten, Libya Libyen, Tunisia Tunesien,
Algeria Algerien, Morocco Marokko, Sudan Sudan, Ethiopia Äthiopien, Kenya Kenia, Tanzania Tansania, Uganda Uganda,
Rwanda Ruanda, Congo Kongo, Cameroon Kamerun, Nigeria Nigeria, Ghana Ghana, Senegal Senegal, Zambia Sambia,
Zimbabwe Simbabwe, Mozambique Mosambik, Namibia Namibia, Botswana Botsuana, Madagascar Madagaskar, Somalia Somalia,
Canada Kanada, Mexico Mexiko, Cuba Kuba, Jamaica Jamaika, Guatemala Guatemala, Colombia Kolumbien,
Venezuela Venezuela, Brazil Brasilien, Argentina Argentinien, Chile Chile, Bolivia Bolivien, Peru Peru,
Ecuador Ecuador, Uruguay Uruguay, Paraguay Paraguay, Australia Australien, Europe Europa, Asia Asien, Africa Afrika,
America Amerika, Antarctica Antarktis, California Kalifornien, Pennsylvania Pennsylvania,
Bavaria Bayern, Saxony Sachsen, Thuringia Thüringen, Hesse Hessen, Swabia Schwaben, Prussia Preußen,
Westphalia Westfalen, Carinthia Kärnten, Styria Steiermark, Tyrol Tirol, Lorraine Lothringen,
Alsace Elsass, Brittany Bretagne, Burgundy Burgund, Normandy Normandie, Provence Provence, Bohemia Böhmen,
Moravia Mähren, Silesia Schlesien, Pomerania Pommern, Catalonia Katalonien, Andalusia Andalusien, Flanders Flandern,
Rhine Rhein, Danube Donau, Moselle Mosel, Elbe Elbe, Thames Themse, Vistula Weichsel, Volga Wolga, Nile Nil,
Ganges Ganges, Amazon Amazonas, Mississippi Mississippi, Tiber Tiber, Alps Alpen, Vosges Vogesen, Urals Ural,
Himalayas Himalaya, Vesuvius Vesuv, Etna Ätna, Sahara Sahara, Kilimanjaro Kilimandscharo,
New Zealand = Neuseeland, South Africa = Südafrika, North Korea = Nordkorea, South Korea = Südkorea,
Saudi Arabia = Saudi-Arabien, Great Britain = Großbritannien, Northern Ireland = Nordirland, Hong Kong = Hongkong,
Ivory Coast = Elfenbeinküste, Cape Town = Kapstadt, Mexico City = Mexiko-Stadt, Lower Saxony = Niedersachsen,
Upper Austria = Oberösterreich, Lake Constance = Bodensee, Lake Geneva = Genfer See, Black Forest = Schwarzwald,
North Sea = Nordsee, Baltic Sea = Ostsee, Latin America = Lateinamerika, South America = Südamerika,
North America = Nordamerika, Central America = Mittelamerika, Central Europe = Mitteleuropa,
Eastern Europe = Osteuropa, Western Europe = Westeuropa, Sri Lanka = Sri Lanka, Costa Rica = Costa Rica,
El Salvador = El Salvador, Puerto Rico = Puerto Rico, New York = New York, New Orleans = New Orleans,
Los Angeles = Los Angeles, San Francisco = San Francisco, San Diego = San Diego, Las Vegas = Las Vegas,
Rio de Janeiro = Rio de Janeiro, Buenos Aires = Buenos Aires, Silicon Valley = Silicon Valley
"""
_TABLES = {("en", "de"): _ENGLISH_GERMAN}


@lru_cache(maxsize=16)
def exonyms(source: str, target: str) -> MappingProxyType[str, str]:
    """The names of places in the source language with those in the target language; empty for most pairs."""
    if (source, target) in _TABLES:
        entries = (" ".join(entry.split()) for entry in _TABLES[source, target].split(","))
        pairs = (entry.split(" = " if "=" in entry else " ") for entry in entries)
        return MappingProxyType(dict(pairs))
    # Of several spellings, such as Zurich and Zürich, the first is the usual one.
    swapped: dict[str, str] = {}
    if (target, source) in _TABLES:
        for name, translation in exonyms(target, source).items():
            swapped.setdefault(translation, name)
    return MappingProxyType(swapped)
